/* Raw mode of the user's terminal, and back. */
#include "cli/terminal.h"
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool raw;

void terminal_restore(void)
{
	if (raw)
		tcsetattr(0, TCSADRAIN, &saved);
	raw = false;
}

static void set_raw(void)
{
	struct termios t = saved;

	cfmakeraw(&t);
	tcsetattr(0, TCSADRAIN, &t);
}

void terminal_raw(void)
{
	if (!isatty(0) || tcgetattr(0, &saved) < 0)
		return;
	raw = true;
	atexit(terminal_restore);
	set_raw();
}

void terminal_resume(void)
{
	if (raw)
		set_raw();
}
