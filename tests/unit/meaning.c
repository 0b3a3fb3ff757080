/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/meaning.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/core/node.h"
#include "fixture_force.h"

/* The documents' meaning, compared on a thread behind the event loop. */

/* Linked with --wrap=clo_compile: what the thread compiles may be spoiled. */
static _Atomic(void (*)(struct clo_tables *tables)) sabotage;
static atomic_uint compiled;
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker gives the name */
int __real_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws);
int __wrap_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws);

int __wrap_clo_compile(const struct clo_policy *policy, time_t now,
		       struct clo_compiled **ret_compiled,
		       struct clo_flaws *flaws)
{
	int r = __real_clo_compile(policy, now, ret_compiled, flaws);
	void (*spoil)(struct clo_tables * tables) = atomic_load(&sabotage);

	if (r == 0 && spoil)
		spoil((*ret_compiled)->tables);
	atomic_fetch_add(&compiled, 1);
	return r;
}

/* NOLINTEND(bugprone-reserved-identifier) */

static struct clo_node node;
static sd_event *event;
static struct clo_meaner *meaner;
static size_t news;

static void on_news(void *userdata)
{
	(void)userdata;
	news++;
}

static int happens(sd_event_source *source, void *userdata)
{
	(void)source;
	(void)userdata;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	node = (struct clo_node){.force = fixture_force(FIXTURE_START)};
	news = 0;
	atomic_store(&compiled, 0); /* by this file itself */
	return sd_event_new(&event) < 0 ||
			       clo_meaner_new(event, &node, on_news, NULL,
					      &meaner) < 0 ||
			       sd_event_add_defer(event, NULL, happens, NULL) <
				       0
		       ? -1
		       : 0;
}

static int tear_down(void **state)
{
	(void)state;
	atomic_store(&sabotage, NULL);
	clo_meaner_free(meaner);
	meaner = NULL;
	event = sd_event_unref(event);
	clo_force_free(node.force);
	return 0;
}

/* What happens first, and what comes behind it. */
static void start_thread(void)
{
	for (int i = 0; i < 3; i++)
		assert_true(sd_event_run(event, 0) >= 0);
}

/* Until it is told, or that long after it should have been. */
static void await_news(size_t n)
{
	double deadline = clo_milliseconds() + 60e3;

	while (news < n && clo_milliseconds() < deadline)
		assert_true(sd_event_run(event, 1000000) >= 0);
	assert_int_equal(news, n);
}

static double cpu_ms(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A long rest will follow. */
static void take_long(struct clo_tables *tables)
{
	(void)tables;
	while (cpu_ms() < 200)
		continue;
}

static void it_becomes_known(void **state)
{
	double begin = clo_milliseconds();

	(void)state;
	assert_false(clo_meaning_known(&node));
	atomic_store(&sabotage, take_long);
	await_news(1);
	assert_true(clo_meaning_known(&node));
	assert_int_equal(node.meaning.error, 0);
	assert_int_equal(node.meaning.differences, 0);
	assert_true(node.meaning.verdicts > 100);
	/* a tenth of a CPU, but for what was not worth a rest at the end */
	assert_true(node.meaning.ms >= 200);
	assert_true(clo_milliseconds() - begin > 5 * node.meaning.ms);
	/* once is enough */
	assert_true(sd_event_add_defer(event, NULL, happens, NULL) >= 0);
	start_thread();
	assert_int_equal(atomic_load(&compiled), 1);
}

/* The thread reads nothing of a policy that goes; its answer is dropped. */
static void another_policy_comes_meanwhile(void **state)
{
	json_auto_t *documents = fixture_documents(false);
	struct clo_force *other = NULL;

	(void)state;
	fixture_edit(documents, "acme.json", "tcp/", "tcp/1");
	assert_int_equal(fixture_make(documents, FIXTURE_START, &other), 0);
	atomic_store(&compiled, 0);
	start_thread();
	clo_force_free(node.force);
	node.force = other;
	await_news(1);
	assert_int_equal(atomic_load(&compiled), 2);
	assert_memory_equal(node.meaning.tables,
			    other->compiled->tables->gen.tables_digest, 32);
	assert_int_equal(node.meaning.differences, 0);
}

static void allow_what_is_denied(struct clo_tables *tables)
{
	uint64_t *word = (uint64_t *)tables->table[CLO_TABLE_ROWS].entries;

	*word = ~*word;
}

static void what_the_documents_do_not_mean(void **state)
{
	(void)state;
	atomic_store(&sabotage, allow_what_is_denied);
	await_news(1);
	assert_true(clo_meaning_known(&node));
	assert_true(node.meaning.differences > 0);
	assert_true(node.meaning.first[0] != '\0');
}

static void claim_other_tables(struct clo_tables *tables)
{
	tables->gen.tables_digest[0] ^= 1;
}

static void other_tables_are_no_answer(void **state)
{
	(void)state;
	atomic_store(&sabotage, claim_other_tables);
	await_news(1);
	assert_true(clo_meaning_known(&node));
	assert_int_equal(node.meaning.error, -EBADMSG);
}

/* Nobody waits for its rest when the daemon stops. */
static void it_stops_when_it_is_told(void **state)
{
	double begin = clo_milliseconds();

	(void)state;
	atomic_store(&compiled, 0);
	atomic_store(&sabotage, take_long);
	start_thread();
	while (atomic_load(&compiled) == 0)
		assert_true(clo_milliseconds() - begin < 60e3);
	begin = clo_milliseconds();
	clo_meaner_free(meaner);
	meaner = NULL;
	assert_true(clo_milliseconds() - begin < 1500);
	assert_int_equal(news, 0);
	assert_false(clo_meaning_known(&node));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(it_becomes_known),
		TEST(another_policy_comes_meanwhile),
		TEST(what_the_documents_do_not_mean),
		TEST(other_tables_are_no_answer),
		TEST(it_stops_when_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
