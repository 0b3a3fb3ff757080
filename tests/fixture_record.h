/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>

#include "agent/core/record.h"
#include "check.h"
#include "fixture_node.h"
#include "fixture_store.h"

/* fixture_node.h's node with fixture_store.h's log, in a run. */
static struct fixture f;

static inline int begin_run(void)
{
	struct clo_gap before;

	f.node.store = store;
	return clo_store_run_begin(store, f.node.boot_id, NOW, &before);
}

static inline int begin(void **state)
{
	int r = set_up(state);

	if (r < 0)
		return r;
	fixture_init(&f, FIXTURE_START - 1);
	f.node.force->policy->n_exceptions = 0; /* whatever the clock says */
	return begin_run();
}

static inline int end(void **state)
{
	fixture_done(&f);
	return tear_down(state);
}

/* SQL behind the store's back. */
static inline void meddle(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static uint64_t count(void)
{
	uint64_t n = 0;

	assert_int_equal(clo_store_count(store, &n), 0);
	return n;
}

static inline void audit_again(const char *trigger, uint64_t records)
{
	const uint64_t before = count();

	assert_int_equal(clo_record_audit(&f.node, &f.audit, trigger, NULL), 0);
	assert_int_equal(count() - before, records);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
