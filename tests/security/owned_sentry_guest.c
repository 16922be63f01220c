/* Is there, while the sentry that serves it is made to do what it should not be able to. */
#include "attack.h"

int main(void)
{
	puts("in");
	/* Until that is over; a sentry that lives serves on. */
	NEED(getchar() == 'g');
	well();
	return 0;
}
