/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"

int lab_frame(const char *iface)
{
	struct sockaddr_ll link = {.sll_family = AF_PACKET};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	char line[8192];

	link.sll_ifindex = (int)if_nametoindex(iface);
	if (fd < 0 || !link.sll_ifindex) {
		perror(iface);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		unsigned char frame[4096];
		size_t len = 0;

		while (len < sizeof(frame) &&
		       sscanf(&line[2 * len], "%2hhx", &frame[len]) == 1)
			len++;
		if (sendto(fd, frame, len, 0, (struct sockaddr *)&link,
			   sizeof(link)) != (ssize_t)len) {
			perror("send");
			return 1;
		}
	}
	close(fd);
	return 0;
}
