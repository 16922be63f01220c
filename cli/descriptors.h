/* What a child of the launcher does not inherit. */
#pragma once

/* Closes all descriptors but these; sorts them. Negative ones are none. */
void descriptors_close_but(int *keep, unsigned n);
