/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * labguest: what a guest of the lab runs, one static program. It knows nothing
 * of Cloison: it answers, asks and sends, so that what it sees is what the
 * wire let through. Each verb returns an exit status.
 */

/* TCP 8080, 2222, 9000 and UDP 5353 answer with `name`; never returns. */
int lab_serve(const char *name, const char *iface);
/*
 * Lines "ID PROTO ADDR PORT EXPECTED" on stdin (PROTO: tcp, udp, icmp), all
 * tried at once. Ends when min_ms are over and whatever is expected (1) has
 * answered, or after max_ms. Prints "ID ANSWER" for each: the answering
 * server's name, "pong", "refused" or "-".
 */
int lab_probe(int min_ms, int max_ms);
/* Lines "add ADDR MAC" or "del ADDR" on stdin: permanent neighbours. */
int lab_neigh(const char *iface);
/* Lines of hex on stdin, each one Ethernet frame sent as it is. */
int lab_frame(const char *iface);
