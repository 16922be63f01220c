/* The user's terminal while the guest has one of its own. */
#pragma once

/* Raw mode on standard input: every key goes to the guest's terminal. Restored at exit too. */
void terminal_raw(void);
void terminal_restore(void);
/* Back in the foreground: raw mode again, if it was on. */
void terminal_resume(void);
