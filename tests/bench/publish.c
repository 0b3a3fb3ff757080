/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages of the size of an envelope into the stream as cloison-stream
 * publishes them, in batches of so many; prints messages per second.
 * usage: bench_publish URLS NODE COUNT BATCH [CA CERTIFICATE KEY]
 */

#include <string.h>

#include "agent/base/clock.h"
#include "agent/sys/broker.h"
#include "bench/bench.h"

#define SIZE 20000 /* bytes of an envelope, about */

static void publish(struct clo_broker *broker, const char *node, size_t from,
		    size_t n)
{
	static struct clo_broker_message messages[CLO_BROKER_BATCH];
	static char ids[CLO_BROKER_BATCH][CLO_BROKER_ID_MAX];
	static char data[SIZE];
	char subject[128];
	size_t acked;

	memset(data, 'x', sizeof(data));
	(void)snprintf(subject, sizeof(subject), "att.v1._._.%s", node);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "%s/bench/%zu", node,
			       from + i);
		messages[i] = (struct clo_broker_message){
			.subject = subject,
			.id = ids[i],
			.data = data,
			.len = sizeof(data),
		};
	}
	bench_check(clo_broker_publish(broker, messages, n, &acked), "publish");
}

int main(int argc, char **argv)
{
	CLO_AUTO(clo_broker) struct clo_broker *broker = NULL;
	struct clo_broker_config config = {.stream = "CLOISON"};
	size_t count, batch;
	double began;

	if (argc != 5 && argc != 8)
		return 2;
	config.urls = argv[1];
	config.node = argv[2];
	count = strtoul(argv[3], NULL, 10);
	batch = strtoul(argv[4], NULL, 10);
	if (batch < 1 || batch > CLO_BROKER_BATCH)
		return 2;
	if (argc == 8) {
		config.ca = argv[5];
		config.certificate = argv[6];
		config.key = argv[7];
	}
	bench_check(clo_broker_open(&config, &broker), "open");
	began = clo_milliseconds();
	for (size_t sent = 0; sent < count; sent += batch)
		publish(broker, config.node, sent,
			count - sent < batch ? count - sent : batch);
	(void)printf("%.0f\n",
		     (double)count * 1000 / (clo_milliseconds() - began));
	return 0;
}
