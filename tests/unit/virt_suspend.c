/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/virt_suspend.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <libvirt/libvirt.h>

#include "check.h"

/* libvirt's own driver: its state is one for the whole process. */
#define URI "test:///default"
#define UUID "8b2e1a34-5c6d-4f70-8192-a3b4c5d6e7f8"
#define NOBODY "00000000-5c6d-4f70-8192-a3b4c5d6e7f8"
#define DEADLINE UINT64_C(20000000) /* microseconds */

struct fixture {
	sd_event *event;
	struct clo_virt_suspender *suspender;
	virConnectPtr writer;
	virDomainPtr domain;
	int id;
};

static int setup(void **state)
{
	static const char running[] =
		"<domain type='test'><name>running</name><memory>4096</memory>"
		"<uuid>" UUID "</uuid><os><type>hvm</type></os></domain>";
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_true(sd_event_new(&f->event) >= 0);
	assert_int_equal(clo_virt_suspender_new(f->event, URI, &f->suspender),
			 0);
	f->writer = virConnectOpen(URI);
	assert_non_null(f->writer);
	f->domain = virDomainCreateXML(f->writer, running, 0);
	assert_non_null(f->domain);
	f->id = (int)virDomainGetID(f->domain);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)virDomainDestroy(f->domain);
	(void)virDomainFree(f->domain);
	(void)virConnectClose(f->writer);
	clo_virt_suspender_free(f->suspender);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

static int state_of(const struct fixture *f)
{
	int state = -1;

	assert_int_equal(virDomainGetState(f->domain, &state, NULL, 0), 0);
	return state;
}

/* Until something is done. */
static void run_once(struct fixture *f)
{
	assert_true(sd_event_run(f->event, DEADLINE) > 0);
}

static void test_suspended_and_again(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			clo_virt_suspender_ask(f->suspender, UUID, f->id), 0);
		/* that is under way */
		assert_int_equal(
			clo_virt_suspender_ask(f->suspender, UUID, f->id), 0);
		run_once(f);
		assert_int_equal(state_of(f), VIR_DOMAIN_PAUSED);
		assert_int_equal(virDomainResume(f->domain), 0);
	}
}

static void test_paused_stays_so(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(virDomainSuspend(f->domain), 0);
	assert_int_equal(clo_virt_suspender_ask(f->suspender, UUID, f->id), 0);
	run_once(f);
	assert_int_equal(state_of(f), VIR_DOMAIN_PAUSED);
}

static void test_another_run_is_left_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(clo_virt_suspender_ask(f->suspender, UUID, f->id + 1),
			 0);
	run_once(f);
	assert_int_equal(clo_virt_suspender_ask(f->suspender, NOBODY, f->id),
			 0);
	run_once(f);
	assert_int_equal(state_of(f), VIR_DOMAIN_RUNNING);
}

static void test_unreachable(void **state)
{
	CLO_AUTO(clo_virt_suspender)
	struct clo_virt_suspender *suspender = NULL;
	struct fixture *f = *state;

	assert_int_equal(clo_virt_suspender_new(f->event,
						"test:///does/not/exist",
						&suspender),
			 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(clo_virt_suspender_ask(suspender, UUID, f->id),
				 0);
		run_once(f);
	}
	assert_int_equal(state_of(f), VIR_DOMAIN_RUNNING);
}

static int listen_on(char path[64])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(path, 64, "/tmp/cloison-suspend-%d", (int)getpid());
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* A libvirtd that accepts and says nothing holds nobody up. */
static void test_hung(void **state)
{
	struct clo_virt_suspender *suspender = NULL;
	struct fixture *f = *state;
	time_t start = time(NULL);
	char uri[128];
	char path[64];
	int listener;
	int peer;

	listener = listen_on(path);
	(void)snprintf(uri, sizeof(uri), "qemu+unix:///system?socket=%s", path);
	assert_int_equal(clo_virt_suspender_new(f->event, uri, &suspender), 0);
	assert_int_equal(clo_virt_suspender_ask(suspender, UUID, f->id), 0);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	clo_virt_suspender_free(suspender);
	assert_true(time(NULL) - start < 10);
	(void)close(peer);
	(void)close(listener);
	(void)unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_suspended_and_again),
		TEST(test_paused_stays_so),
		TEST(test_another_run_is_left_alone),
		TEST(test_unreachable),
		/* libvirt keeps what the thread has: the last */
		TEST(test_hung),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
