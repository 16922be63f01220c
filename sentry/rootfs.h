/* The mount tree that a sandbox starts with. */
#pragma once

struct sandbox_config;
struct fs_context;

/*
 * Root (the host's tree with writes in memory), /proc, /sys, /dev, /tmp and
 * the mounts of config. *out: one reference, standing in config->cwd. why: at least 256
 * bytes, filled when it fails. 0 or -errno.
 */
int rootfs_build(const struct sandbox_config *config, struct fs_context **out, char *why);
