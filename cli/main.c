/* moat's entry point: picks the subcommand. */
#include <stdio.h>

int main(void)
{
	fprintf(stderr, "moat: no command is built in yet\n");
	return 2;
}
