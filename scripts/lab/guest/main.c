/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return lab_serve(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "probe"))
		return lab_probe(atoi(argv[2]), atoi(argv[3]));
	if (argc == 3 && !strcmp(argv[1], "neigh"))
		return lab_neigh(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "frame"))
		return lab_frame(argv[2]);

	fputs("usage: labguest serve NAME IFACE | probe MIN_MS MAX_MS |"
	      " neigh IFACE | frame IFACE\n",
	      stderr);
	return 2;
}
