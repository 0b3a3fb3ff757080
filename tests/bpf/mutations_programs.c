/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/clock.h"
#include "bpf/mutations.h"

/*
 * Corruptions of the programs and of what they hang on; each is repaired.
 * usage: test_bpf_mutations_programs [N]
 */
static int n_programs;

/* A tap's hook: ours, with another program in its stead or beside it. */
static int link_of(const struct sandbox *box, const char *side)
{
	char pin[64];

	(void)snprintf(pin, sizeof(pin), "link/%u/%s", box->ifindex, side);
	return sandbox_pin(box, pin);
}

static const char *side_of(bool from)
{
	return from ? "from_guest" : "to_guest";
}

static void check_unguarded(const char *what, bool from)
{
	check_found(what, from ? "guard from_guest is not attached"
			       : "guard to_guest is not attached");
}

static void link_detached(const struct sandbox *box, bool from)
{
	CLO_AUTO_FD int link = link_of(box, side_of(from));

	assert_int_equal(bpf_link_detach(link), 0);
	check_unguarded("detached", from);
}

/* The kernel lets go of what was unpinned a grace period later. */
static void await_release(const struct sandbox *box, bool from)
{
	double deadline = clo_milliseconds() + 60e3;
	struct clo_bpf_guard guard;

	do
		assert_int_equal(
			clo_bpf_guard_query(node.bpf, box->ifindex, &guard), 0);
	while ((from ? guard.from_guest : guard.to_guest).prog_id &&
	       clo_milliseconds() < deadline);
}

static void link_unpinned(const struct sandbox *box, bool from)
{
	char pin[128];

	(void)snprintf(pin, sizeof(pin), "%s/link/%u/%s", box->dir,
		       box->ifindex, side_of(from));
	assert_int_equal(unlink(pin), 0);
	await_release(box, from);
	check_unguarded("unpinned", from);
}

static void link_updated(const struct sandbox *box, bool from)
{
	CLO_AUTO_FD int program =
		sandbox_program(from ? "clo_from_guest" : "clo_to_guest");
	CLO_AUTO_FD int link = link_of(box, side_of(from));

	assert_int_equal(bpf_link_update(link, program, NULL), 0);
	check_unguarded("updated", from);
}

/* The guard of the other way: ours, and wrong. */
static void link_swapped(const struct sandbox *box, bool from)
{
	CLO_AUTO_FD int program =
		sandbox_pin(box, from ? "prog/to_guest" : "prog/from_guest");
	CLO_AUTO_FD int link = link_of(box, side_of(from));

	assert_int_equal(bpf_link_update(link, program, NULL), 0);
	check_unguarded("swapped", from);
}

static void foreign_beside(const struct sandbox *box, bool from, __u32 flags)
{
	CLO_AUTO_FD int program = sandbox_program("foreign");
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	CLO_AUTO_FD int link = bpf_link_create(
		program, (int)box->ifindex,
		(enum bpf_attach_type)(from ? TCX_INGRESS : TCX_INGRESS + 1),
		&opts);

	assert_true(link >= 0);
	check_found("a foreign program",
		    from ? "1 foreign programs on the hook of from_guest"
			 : "1 foreign programs on the hook of to_guest");
}

static void foreign_first(const struct sandbox *box, bool from)
{
	foreign_beside(box, from, TCX_BEFORE);
}

static void foreign_last(const struct sandbox *box, bool from)
{
	foreign_beside(box, from, 0);
}

/* Takes the program out of its pin. */
static void unpin(const struct sandbox *box, bool from, char pin[128])
{
	(void)snprintf(pin, 128, "%s/prog/%s", box->dir, side_of(from));
	assert_int_equal(unlink(pin), 0);
}

static void pin_replaced(const struct sandbox *box, bool from)
{
	CLO_AUTO_FD int program =
		sandbox_program(from ? "clo_from_guest" : "clo_to_guest");
	char pin[128];

	unpin(box, from, pin);
	assert_int_equal(bpf_obj_pin(program, pin), 0);
	check_found("replaced", from ? "clo_from_guest is not the one"
				     : "clo_to_guest is not the one");
}

static void pin_gone(const struct sandbox *box, bool from)
{
	char pin[128];

	unpin(box, from, pin);
	check_found("gone",
		    from ? "clo_from_guest is gone" : "clo_to_guest is gone");
}

static void test_programs(void **state)
{
	static void (*const corruptions[])(const struct sandbox *box,
					   bool from) = {
		link_detached, link_unpinned, link_updated, link_swapped,
		foreign_first, foreign_last,  pin_replaced, pin_gone,
	};

	if (!sandbox_has_tcx())
		skip();
	(void)ask(apply());
	for (int i = 0; i < n_programs; i++) {
		corruptions[(size_t)i % CLO_ARRAY_LEN(corruptions)](*state,
								    draw() & 1);
		assert_int_equal(clo_tend_prove(&node, "event", NULL), 0);
		assert_string_equal(node.verdict, "PASSED");
		check_clean("a repair");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_programs),
	};
	int r;

	n_programs = count_of(argc, argv, 32);
	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	r = cmocka_run_group_tests(tests, NULL, NULL);
	print_message("%d corruptions of programs, %zu clean runs\n",
		      n_programs, clean_runs);
	return r;
}
