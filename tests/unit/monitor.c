/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/core/control.h"
#include "agent/core/message.h"
#include "check.h"
#include "fixture_force.h"

/* Server and clients are one thread: the loop runs while a client waits. */
#define DEADLINE_MS 30000
#define EPOCH 3
#define N_FLOWS 1500

static char directory[] = "/tmp/clo-monitor-XXXXXX";
static char path[sizeof(directory) + 16], log_dir[sizeof(directory) + 16];
static sd_event *event;
static struct clo_server *server;
static struct clo_monitor *monitor;
static struct clo_force *force;
static bool may_write;
/* The datapath. */
static uint32_t capture;
static size_t n_captures;
static struct clo_bpf_port ports[2];
static size_t n_flows;

static int set_capture(void *userdata, uint32_t bytes)
{
	(void)userdata;
	capture = bytes;
	n_captures++;
	return 0;
}

static int read_ports(void *userdata, struct clo_bpf_port **ret_ports,
		      size_t *ret_n)
{
	(void)userdata;
	*ret_ports = malloc(sizeof(ports));
	assert_non_null(*ret_ports);
	memcpy(*ret_ports, ports, sizeof(ports));
	*ret_n = CLO_ARRAY_LEN(ports);
	return 0;
}

static uint32_t endpoint(size_t workload, size_t interface)
{
	return force->policy->workloads[workload]
		.interfaces[interface]
		.endpoint;
}

/* blog is 0, shop is 1: by name. */
#define BLOG endpoint(0, 0)
#define SHOP endpoint(1, 0)
#define BACK endpoint(1, 1)

static int read_flows(void *userdata, struct clo_bpf_flow **ret_flows,
		      size_t *ret_n)
{
	struct clo_bpf_flow *flows = calloc(n_flows + 1, sizeof(*flows));

	(void)userdata;
	assert_non_null(flows);
	for (size_t i = 0; i < n_flows; i++) {
		flows[i] = (struct clo_bpf_flow){
			.family = 4,
			.key.v4 = {.space_proto = 1U << 8 | IPPROTO_TCP,
				   .lo = {10, 0, 0, 5},
				   .hi = {10, 0, 1, 5},
				   .port = {htons(5432), htons(40000)}},
			.conn = {.epoch = EPOCH,
				 .seen = i + 1,
				 .endpoint = {SHOP, BACK},
				 .rule = 1,
				 .initiator = 1,
				 .state = CLO_CONN_ESTABLISHED,
				 .packets = {10, 20},
				 .bytes = {i, 2000}},
		};
		if (i == 1) {
			flows[i].conn.endpoint[0] = BLOG;
			flows[i].conn.endpoint[1] = 0;
		}
	}
	*ret_flows = flows;
	*ret_n = n_flows;
	return 0;
}

static json_t *answer(struct clo_client *client, const json_t *request,
		      enum clo_caller caller, void *userdata)
{
	assert_null(userdata);
	return clo_monitor_answer(monitor, client, request,
				  caller == CLO_CALLER_ROOT && may_write);
}

static int begin(void **state)
{
	static const struct clo_monitor_datapath datapath = {
		.capture = set_capture,
		.ports = read_ports,
		.flows = read_flows};
	const struct clo_flowlog_limits limits = {1 << 20, 1, 1 << 24};
	struct clo_flowlog *flowlog = NULL;

	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/clo-monitor-XXXXXX");
	if (!mkdtemp(directory) || sd_event_new(&event) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/control", directory);
	(void)snprintf(log_dir, sizeof(log_dir), "%s/flows", directory);
	may_write = true;
	capture = 99;
	n_captures = n_flows = 0;
	memset(ports, 0, sizeof(ports));
	force = fixture_force(FIXTURE_START);
	ports[0].ifindex = 5;
	ports[0].port.endpoint = SHOP;
	ports[1].ifindex = 4;
	ports[1].port.endpoint = BLOG;
	if (clo_flowlog_new(log_dir, &limits, &flowlog) < 0 ||
	    clo_monitor_new(&datapath, flowlog, &monitor) < 0 ||
	    clo_monitor_policy(monitor, force->compiled, EPOCH) < 0 ||
	    clo_server_new(event, path, answer, NULL, &server) < 0)
		return -1;
	return clo_server_start(server);
}

static int end(void **state)
{
	char file[sizeof(log_dir) + 32];

	(void)state;
	clo_server_free(server);
	clo_monitor_free(monitor);
	clo_force_free(force);
	event = sd_event_unref(event);
	(void)snprintf(file, sizeof(file), "%s/current.jsonl", log_dir);
	(void)unlink(file);
	(void)rmdir(log_dir);
	return rmdir(directory);
}

static void turn(void)
{
	while (sd_event_run(event, 0) > 0)
		;
}

/* The next message at this client, while the server runs. */
static json_t *next(int fd)
{
	struct clo_inbox inbox = {0};
	json_t *message = NULL;
	int r;

	while ((r = clo_inbox_read(&inbox, fd, &message)) == -EAGAIN)
		assert_true(sd_event_run(event, 1000) >= 0);
	assert_int_equal(r, 0);
	return message;
}

static json_t *ask(int fd, const char *text)
{
	json_auto_t *request = json_loads(text, 0, NULL);

	assert_non_null(request);
	assert_int_equal(clo_message_send(fd, request, DEADLINE_MS), 0);
	return next(fd);
}

static int client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, sizeof(path));
	assert_int_equal(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int watch(const char *request)
{
	int fd = client();
	json_auto_t *reply = ask(fd, request);

	assert_true(json_is_true(json_object_get(reply, "ok")));
	return fd;
}

/* One flow of shop to its back, port 1000 + n. */
static void feed(enum clo_event_kind kind, uint16_t n, uint16_t captured)
{
	uint8_t frame[CLO_CAPTURE_MAX];
	struct clo_event e = {
		.time = 1,
		.epoch = EPOCH,
		.endpoint = {SHOP, BACK},
		.kind = (uint8_t)kind,
		.family = 4,
		.proto = IPPROTO_TCP,
		.dport = htons((uint16_t)(1000 + n)),
		.reason = kind == CLO_EVENT_DENIED ? CLO_DROP_POLICY : 0,
		.captured = captured,
		.len = 1514,
	};

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	assert_int_equal(clo_monitor_event(&e, frame, monitor), 0);
}

static json_int_t port_of(const json_t *message)
{
	return json_integer_value(json_object_get(message, "destinationPort"));
}

static void expect_port(int fd, json_int_t port)
{
	json_auto_t *message = next(fd);

	assert_int_equal(port_of(message), port);
}

static void test_each_sees_what_it_asked_for(void **state)
{
	int all = watch("{\"op\":\"monitor\"}");
	int denied = watch("{\"op\":\"monitor\",\"kind\":\"denied\"}");
	int other = watch("{\"op\":\"monitor\",\"tenant\":\"globex\"}");
	struct pollfd pollfd = {.fd = other, .events = POLLIN};

	(void)state;
	feed(CLO_EVENT_NEW, 1, 0);
	feed(CLO_EVENT_DENIED, 2, 0);
	feed(CLO_EVENT_ENDED, 3, 0);
	expect_port(all, 1001);
	expect_port(all, 1002);
	expect_port(all, 1003);
	expect_port(denied, 1002);
	turn();
	assert_int_equal(poll(&pollfd, 1, 0), 0);
	(void)close(all);
	(void)close(denied);
	(void)close(other);
}

static void test_tells_whom_a_filter_names(void **state)
{
	static const struct {
		const char *request;
		int endpoints; /* -1: null */
	} cases[] = {
		{"{\"op\":\"monitor\"}", -1},
		{"{\"op\":\"monitor\",\"tenant\":\"acme\"}", 2},
		{"{\"op\":\"monitor\",\"endpoint\":\"acme/production/shop\"}",
		 2},
		{"{\"op\":\"monitor\",\"endpoint\":\"acme/production/shop/1\"}",
		 1},
		{"{\"op\":\"monitor\",\"endpoint\":\"acme/production/chop\"}",
		 0},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		int fd = client();
		json_auto_t *reply = ask(fd, cases[i].request);
		const json_t *n = json_object_get(
			json_object_get(reply, "result"), "endpoints");

		if (cases[i].endpoints < 0)
			assert_true(json_is_null(n));
		else
			assert_int_equal(json_integer_value(n),
					 cases[i].endpoints);
		(void)close(fd);
		turn();
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *request;
		enum clo_exit code;
	} cases[] = {
		{"{\"op\":\"monitor\",\"kind\":\"x\"}", CLO_EXIT_USAGE},
		{"{\"op\":\"monitor\",\"reason\":7}", CLO_EXIT_USAGE},
		{"{\"op\":\"monitor\",\"capture\":true}", CLO_EXIT_FORBIDDEN},
		{"{\"op\":\"flows\",\"endpoint\":7}", CLO_EXIT_USAGE},
		{"{\"op\":\"flows\",\"endpoint\":\"x\"}", CLO_EXIT_USAGE},
	};

	int fd = client();

	(void)state;
	may_write = false; /* a reader */
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		json_auto_t *reply = ask(fd, cases[i].request);

		assert_true(json_is_false(json_object_get(reply, "ok")));
		assert_int_equal(
			json_integer_value(json_object_get(reply, "exit")),
			cases[i].code);
	}
	assert_int_equal(capture, 0);
	json_decref(ask(fd, "{\"op\":\"flows\"}"));
	(void)close(fd);
	(void)close(watch("{\"op\":\"monitor\"}")); /* readers may look */
}

static void test_captures_only_while_somebody_looks(void **state)
{
	int first, second, plain;

	(void)state;
	assert_int_equal(capture, 0); /* whatever a killed one left */
	plain = watch("{\"op\":\"monitor\"}");
	assert_int_equal(capture, 0);
	first = watch("{\"op\":\"monitor\",\"capture\":true}");
	assert_int_equal(capture, CLO_CAPTURE_MAX);
	second = watch("{\"op\":\"monitor\",\"capture\":true}");
	(void)close(first);
	turn();
	assert_int_equal(capture, CLO_CAPTURE_MAX);
	(void)close(second);
	turn();
	assert_int_equal(capture, 0);
	assert_int_equal(n_captures, 3); /* start, on, off */
	(void)close(plain);
}

/* Frames go to who may see them, and nowhere else: not into the log either. */
static void test_frames_reach_only_who_asked(void **state)
{
	int plain = watch("{\"op\":\"monitor\"}");
	int framed = watch("{\"op\":\"monitor\",\"capture\":true}");
	char file[sizeof(log_dir) + 32], line[1024];
	json_auto_t *with = NULL, *without = NULL;
	const json_t *frame;
	FILE *written;

	(void)state;
	feed(CLO_EVENT_DENIED, 1, 5);
	with = next(framed);
	without = next(plain);
	frame = json_object_get(with, "frame");
	assert_string_equal(json_string_value(json_object_get(frame, "bytes")),
			    "00070e151c");
	assert_int_equal(json_integer_value(json_object_get(frame, "length")),
			 1514);
	assert_null(json_object_get(without, "frame"));

	clo_monitor_tick(monitor);
	(void)snprintf(file, sizeof(file), "%s/current.jsonl", log_dir);
	written = fopen(file, "re");
	assert_non_null(written);
	assert_non_null(fgets(line, sizeof(line), written));
	(void)fclose(written);
	assert_non_null(strstr(line, "acme/production/default-deny"));
	assert_null(strstr(line, "frame"));
	(void)close(plain);
	(void)close(framed);
}

static void test_what_was_left_out_is_told_once(void **state)
{
	int all = watch("{\"op\":\"monitor\"}");
	int acme = watch("{\"op\":\"monitor\",\"tenant\":\"acme\"}");
	json_auto_t *first = NULL, *second = NULL, *third = NULL;
	struct pollfd pollfd = {.fd = acme, .events = POLLIN};

	(void)state;
	clo_monitor_tick(monitor); /* nothing */
	ports[1].meter.unsent = 7;
	clo_monitor_tick(monitor);
	clo_monitor_tick(monitor); /* told already */
	ports[1].meter.unsent = 9;
	clo_monitor_tick(monitor);
	ports[0].port.endpoint = BACK; /* the tap is another's now */
	ports[0].meter.unsent = 1;
	clo_monitor_tick(monitor);

	first = next(all);
	assert_string_equal(json_string_value(json_object_get(first, "kind")),
			    "unsent");
	assert_string_equal(
		json_string_value(json_object_get(first, "endpoint")),
		"globex/production/blog/0");
	assert_int_equal(json_integer_value(json_object_get(first, "unsent")),
			 7);
	second = next(all);
	assert_int_equal(json_integer_value(json_object_get(second, "unsent")),
			 9);
	third = next(acme);
	assert_string_equal(
		json_string_value(json_object_get(third, "endpoint")),
		"acme/production/shop/1");
	turn();
	assert_int_equal(poll(&pollfd, 1, 0), 0);
	(void)close(all);
	(void)close(acme);
}

static void test_too_many_watchers(void **state)
{
	int fds[CLO_STREAMS_MAX + 1];
	json_auto_t *refused = NULL, *status = NULL;

	(void)state;
	for (size_t i = 0; i < CLO_STREAMS_MAX; i++)
		fds[i] = watch("{\"op\":\"monitor\"}");
	fds[CLO_STREAMS_MAX] = client();
	refused = ask(fds[CLO_STREAMS_MAX], "{\"op\":\"monitor\"}");
	assert_true(json_is_false(json_object_get(refused, "ok")));
	status = clo_monitor_status(monitor);
	assert_int_equal(json_integer_value(json_object_get(status, "clients")),
			 CLO_STREAMS_MAX);

	(void)close(fds[3]);
	turn();
	fds[3] = watch("{\"op\":\"monitor\"}"); /* its place is free again */
	feed(CLO_EVENT_NEW, 5, 0);
	expect_port(fds[3], 1005);
	for (size_t i = 0; i <= CLO_STREAMS_MAX; i++)
		(void)close(fds[i]);
}

static void test_flows(void **state)
{
	int fd = client();
	json_auto_t *all = NULL, *one = NULL, *want = NULL;
	const json_t *reply;
	json_t *flow;

	(void)state;
	n_flows = N_FLOWS;
	all = ask(fd, "{\"op\":\"flows\"}");
	reply = json_object_get(all, "result");
	assert_int_equal(json_array_size(json_object_get(reply, "flows")),
			 1000);
	assert_int_equal(json_integer_value(json_object_get(reply, "total")),
			 N_FLOWS);
	/* the last seen first */
	flow = json_array_get(json_object_get(reply, "flows"), 0);
	(void)json_object_del(flow, "ageMs");
	(void)json_object_del(flow, "idleMs");
	want = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:{s:i, s:i}, "
		"s:{s:i, s:i}}",
		"from", "acme/production/shop/1", "to",
		"acme/production/shop/0", "protocol", "tcp", "source",
		"10.0.1.5", "destination", "10.0.0.5", "state", "established",
		"rule", force->compiled->rules[1]->full, "sourcePort", 40000,
		"destinationPort", 5432, "initiator", "packets", 20, "bytes",
		2000, "responder", "packets", 10, "bytes", N_FLOWS - 1);
	assert_true(json_equal(flow, want));

	one = ask(fd, "{\"op\":\"flows\",\"endpoint\":"
		      "\"globex/production/blog\"}");
	flow = json_object_get(one, "result");
	assert_int_equal(json_integer_value(json_object_get(flow, "matched")),
			 1);
	flow = json_array_get(json_object_get(flow, "flows"), 0);
	assert_true(json_is_null(json_object_get(flow, "from"))); /* outside */
	(void)close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_sees_what_it_asked_for),
		TEST(test_tells_whom_a_filter_names),
		TEST(test_refusals),
		TEST(test_captures_only_while_somebody_looks),
		TEST(test_frames_reach_only_who_asked),
		TEST(test_what_was_left_out_is_told_once),
		TEST(test_too_many_watchers),
		TEST(test_flows),
	};

	if (geteuid() != 0)
		return skip_all("root");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
