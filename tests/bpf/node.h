/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/core/audit.h"
#include "agent/core/control.h"
#include "agent/core/fencing.h"
#include "agent/core/keep.h"
#include "agent/core/requests.h"
#include "agent/core/reserve.h"
#include "agent/core/tagging.h"
#include "agent/core/tend.h"
#include "bpf/sandbox.h"
#include "fixture_force.h"

/* Its names would be shadowed in the others. */
#include "fixture_store.h"

/*
 * A whole node against the real kernel: tap0 is the device of an endpoint of
 * acme, tap1 is nobody's, both on a governed bridge; no libvirt.
 */
static struct clo_options options;
static struct clo_node node;
static json_t *reply;

static inline void on_link(const struct clo_link *link, bool gone,
			   void *userdata)
{
	(void)link;
	(void)gone;
	(void)userdata;
}

static inline int begin(void **state)
{
	struct clo_gap gap;
	struct sandbox *box;

	if (set_up(NULL) < 0 || sandbox_setup(state) < 0)
		return -1;
	box = *state;
	(void)sandbox_open(box, CLO_ATTACH_AUTO);
	sandbox_run("ip link add clobr0 type bridge && "
		    "ip link add tap1 type veth peer name peer1 && "
		    "ip link set tap0 master clobr0 && "
		    "ip link set tap1 master clobr0");
	options = (struct clo_options){.period = 60, .state_dir = dir};
	node = (struct clo_node){.options = &options, .bpf = box->bpf};
	strcpy(node.boot_id, "00000000-0000-0000-0000-000000000b07");
	node.started = time(NULL);
	node.store = store;
	if (asprintf(&node.key_path, "%s/node.key", dir) < 0 ||
	    clo_key_generate(node.key_path) < 0 ||
	    clo_key_load(node.key_path, &node.key) < 0 ||
	    clo_rtnl_new(on_link, NULL, &node.rtnl) < 0)
		return -1;
	return clo_store_run_begin(store, node.boot_id, node.started, &gap);
}

static inline int end(void **state)
{
	char saved[64];
	int r;

	clo_fencing_done(&node);
	clo_tagging_done(&node);
	clo_kinds_done(&node.kinds);
	clo_standings_done(&node.standings);
	clo_inventory_free(node.inventory);
	clo_decisions_forget(&node);
	clo_force_free(node.force);
	json_decref(node.last);
	json_decref(node.told);
	json_decref(reply);
	reply = NULL;
	free(node.known);
	clo_rtnl_free(node.rtnl);
	clo_key_free(node.key);
	(void)unlink(node.key_path);
	free(node.key_path);
	node = (struct clo_node){0};
	clo_keep_forget(dir);
	(void)snprintf(saved, sizeof(saved), "%s/policy.json.new", dir);
	(void)unlink(saved);
	(void)clo_reserve_drop(dir);
	r = tear_down(NULL);
	if (if_nametoindex("tap1"))
		sandbox_run("ip link del tap1");
	sandbox_run("ip link del clobr0");
	return sandbox_teardown(state) < 0 ? -1 : r;
}

/* Its result; the test fails if it was refused. */
static inline const json_t *ask(json_t *request)
{
	json_decref(reply);
	reply = clo_request_answer(&node, request, CLO_CALLER_ROOT);
	json_decref(request);
	if (!json_is_true(json_object_get(reply, "ok")))
		fail_msg("%s",
			 json_string_value(json_object_get(reply, "error")));
	return json_object_get(reply, "result");
}

static inline json_int_t refused(json_t *request)
{
	json_decref(reply);
	reply = clo_request_answer(&node, request, CLO_CALLER_ROOT);
	json_decref(request);
	assert_true(json_is_false(json_object_get(reply, "ok")));
	return json_integer_value(json_object_get(reply, "exit"));
}

static inline json_t *op(const char *name)
{
	return json_pack("{s:s}", "op", name);
}

static inline json_t *apply(void)
{
	return json_pack("{s:s, s:o}", "op", "apply", "documents",
			 fixture_documents(false));
}

static inline const char *text(const json_t *object, const char *member)
{
	const char *value = json_string_value(json_object_get(object, member));

	assert_non_null(value);
	return value;
}

static inline json_int_t number(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

/* The text of the first problem of that control. */
static inline const char *first_of(const struct clo_audit *audit,
				   const char *control)
{
	for (size_t i = 0; i < audit->problems.n; i++)
		if (strcmp(audit->problems.list[i].control, control) == 0)
			return audit->problems.list[i].text;
	return "";
}

/* The map of one table in force. */
static inline int node_table(const struct sandbox *box, const char *name)
{
	uint64_t epoch = 0;
	char pin[64];

	assert_int_equal(clo_bpf_epoch(node.bpf, &epoch), 0);
	(void)snprintf(pin, sizeof(pin), "gen/%u/%s", (unsigned int)(epoch & 1),
		       name);
	return sandbox_pin(box, pin);
}

#define NODE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
