/* All file system types and devices of the sandbox, made known to the VFS. */
#pragma once

/* Once, at start-up. */
void file_systems_register(void);
