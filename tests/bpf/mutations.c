/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf/mutations.h"

/*
 * Random corruptions of the live maps.
 * usage: test_bpf_mutations [N]
 */
static int n_maps;

/* One map, and one entry of it as it was. */
struct target {
	const struct sandbox *box;
	char what[96];
	char witness[32];
	char other[32]; /* or this; "": no other */
	int fd;
	struct bpf_map_info info;
	uint8_t key[64];
	uint8_t value[256];
};

static void open_target(struct target *target, int fd, const char *name)
{
	__u32 len = sizeof(target->info);

	target->fd = fd;
	memset(&target->info, 0, len);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &target->info, &len), 0);
	assert_true(target->info.value_size <= sizeof(target->value));
	(void)snprintf(target->what, sizeof(target->what), "%s", name);
}

static void read_entry(struct target *target)
{
	assert_int_equal(
		bpf_map_lookup_elem(target->fd, target->key, target->value), 0);
}

static void write_entry(const struct target *target, const uint8_t *value)
{
	assert_int_equal(
		bpf_map_update_elem(target->fd, target->key, value, BPF_ANY),
		0);
}

/* What is done to it, behind its name. */
__attribute__((format(printf, 2, 3))) static void say(struct target *target,
						      const char *fmt, ...)
{
	size_t n = strlen(target->what);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(target->what + n, sizeof(target->what) - n, fmt, args);
	va_end(args);
}

/* One bit of the value, of the bytes [from, to). */
static void flip(struct target *target, size_t from, size_t to)
{
	uint8_t changed[sizeof(target->value)];
	size_t bit = from * 8 + below((to - from) * 8);

	say(target, ", bit %zu", bit);
	read_entry(target);
	memcpy(changed, target->value, sizeof(changed));
	changed[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	write_entry(target, changed);
	check_found_either(target->what, target->witness, target->other);
	write_entry(target, target->value);
}

/* The nth key, and how many there are. */
static size_t walk(struct target *target, size_t nth)
{
	uint8_t at[sizeof(target->key)];
	uint8_t next[sizeof(target->key)];
	size_t n = 0;

	while (bpf_map_get_next_key(target->fd, n ? at : NULL, next) == 0) {
		if (n++ == nth)
			memcpy(target->key, next, sizeof(next));
		memcpy(at, next, sizeof(at));
	}
	return n;
}

static void remove_entry(struct target *target)
{

	say(target, ", an entry less");
	read_entry(target);
	assert_int_equal(bpf_map_delete_elem(target->fd, target->key), 0);
	check_found(target->what, target->witness);
	write_entry(target, target->value);
}

static void add_entry(struct target *target)
{
	uint8_t none[sizeof(target->value)];

	say(target, ", an entry more");
	for (size_t i = 0; i < sizeof(none); i++)
		none[i] = (uint8_t)draw();
	for (size_t i = 0; i < target->info.key_size; i++)
		target->key[i] = (uint8_t)draw();
	if (target->info.type == BPF_MAP_TYPE_LPM_TRIE)
		memcpy(target->key,
		       &(uint32_t){(target->info.key_size - 4) * 8}, 4);
	write_entry(target, none);
	check_found(target->what, target->witness);
	assert_int_equal(bpf_map_delete_elem(target->fd, target->key), 0);
}

/* Another map in the slot, of the same shape, empty. */
static void replace_map(struct target *target, const char *name)
{
	char outer_name[48];
	CLO_AUTO_FD int outer = -1;
	CLO_AUTO_FD int empty = -1;
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .map_flags = target->info.map_flags);
	uint64_t epoch = 0;
	uint32_t slot;

	assert_int_equal(clo_bpf_epoch(node.bpf, &epoch), 0);
	slot = epoch & 1;
	(void)snprintf(outer_name, sizeof(outer_name), "map/clo_%s", name);
	outer = sandbox_pin(target->box, outer_name);
	empty = bpf_map_create((enum bpf_map_type)target->info.type, "empty",
			       target->info.key_size, target->info.value_size,
			       target->info.max_entries, &opts);
	assert_true(empty >= 0);
	assert_int_equal(bpf_map_update_elem(outer, &slot, &empty, BPF_ANY), 0);
	say(target, ", another map");
	check_found(target->what, target->witness);
	assert_int_equal(
		bpf_map_update_elem(outer, &slot, &target->fd, BPF_ANY), 0);
}

static void corrupt_table(struct target *target)
{
	enum clo_table t = (enum clo_table)below(CLO_TABLE_COUNT);
	const char *name = clo_table_types[t].name;
	CLO_AUTO_FD int fd = node_table(target->box, name);
	uint32_t index;
	size_t n;

	open_target(target, fd, name);
	(void)snprintf(target->witness, sizeof(target->witness), "table %s",
		       name);
	n = node.force->compiled->tables->table[t].n;
	if (n && below(20) == 0) {
		replace_map(target, name);
		return;
	}
	if (clo_table_types[t].kind == CLO_TABLE_ARRAY) {
		index = (uint32_t)below(target->info.max_entries);
		memcpy(target->key, &index, sizeof(index));
		flip(target, 0, target->info.value_size);
		return;
	}
	if (n == 0 || below(4) == 0) {
		add_entry(target);
		return;
	}
	assert_int_equal(walk(target, below(n)), n);
	if (below(3) == 0)
		remove_entry(target);
	else
		flip(target, 0, target->info.value_size);
}

static void corrupt_generation(struct target *target)
{
	CLO_AUTO_FD int fd = sandbox_pin(target->box, "map/clo_gens");
	uint64_t epoch = 0;
	enum clo_table t;
	size_t at;

	assert_int_equal(clo_bpf_epoch(node.bpf, &epoch), 0);
	open_target(target, fd, "gens");
	memcpy(target->key, &(uint32_t){epoch & 1}, 4);
	strcpy(target->witness, "gen");
	/* how many entries an array has shows in what is read of it */
	switch (below(3)) {
	case 0:
		flip(target, 0, offsetof(struct clo_gen, n));
		return;
	case 1:
		flip(target, offsetof(struct clo_gen, policy_digest),
		     sizeof(struct clo_gen));
		return;
	default: /* of an array it shows in what is read of it */
		t = (enum clo_table)below(CLO_TABLE_COUNT);
		at = offsetof(struct clo_gen, n) + t * sizeof(uint32_t);
		if (clo_table_types[t].kind == CLO_TABLE_ARRAY)
			(void)snprintf(target->other, sizeof(target->other),
				       "table %s", clo_table_types[t].name);
		flip(target, at, at + sizeof(uint32_t));
	}
}

static void corrupt_live(struct target *target)
{
	static const struct {
		size_t from, to;
		const char *witness;
	} members[] = {
		{offsetof(struct clo_live, epoch), 8, "epoch"},
		{offsetof(struct clo_live, pickup), 8, "picked up"},
		{offsetof(struct clo_live, capture), 4, "captured"},
		{offsetof(struct clo_live, tick), 4, "clock"},
		{offsetof(struct clo_live, clock), 8, "clock"},
	};

	CLO_AUTO_FD int fd = sandbox_pin(target->box, "map/clo_live");
	size_t i = below(CLO_ARRAY_LEN(members));

	open_target(target, fd, "live");
	(void)snprintf(target->witness, sizeof(target->witness), "%s",
		       members[i].witness);
	flip(target, members[i].from, members[i].from + members[i].to);
}

/* Of the endpoint's tap any bit; of any other what makes it a port. */
static void corrupt_port(struct target *target)
{
	CLO_AUTO_FD int fd = sandbox_pin(target->box, "map/clo_ports");
	size_t kind = offsetof(struct clo_port, kind);
	uint32_t index = target->box->ifindex;
	bool other = below(4) == 0;

	open_target(target, fd, "ports");
	if (other)
		index = 1000 + (uint32_t)below(CLO_PORTS_NEAR - 1000);
	memcpy(target->key, &index, sizeof(index));
	(void)snprintf(target->witness, sizeof(target->witness),
		       other ? "ifindex %u" : "tap0", index);
	flip(target, other ? kind : 0,
	     other ? kind + 1 : sizeof(struct clo_port));
}

/* A limit of the endpoint's; what was used of it is no setting. */
static void corrupt_meter(struct target *target)
{
	CLO_AUTO_FD int ports = sandbox_pin(target->box, "map/clo_ports");
	CLO_AUTO_FD int fd = sandbox_pin(target->box, "map/clo_meters");
	size_t at = below(CLO_BUCKET_COUNT) * sizeof(struct clo_bucket) +
		    offsetof(struct clo_bucket, cost);
	struct clo_port port;

	assert_int_equal(
		bpf_map_lookup_elem(ports, &target->box->ifindex, &port), 0);
	open_target(target, fd, "meters");
	memcpy(target->key, &port.slot, sizeof(port.slot));
	strcpy(target->witness, "tap0");
	flip(target, at, at + 16);
}

static void corrupt_place(struct target *target)
{
	CLO_AUTO_FD int fd = sandbox_pin(target->box, "map/clo_local");

	open_target(target, fd, "local");
	strcpy(target->witness, "map of places");
	if (below(3) == 0) {
		add_entry(target);
		return;
	}
	assert_int_equal(walk(target, 0), 1);
	if (below(2) == 0)
		remove_entry(target);
	else
		flip(target, 0, 4);
}

/* Whose account is whose, and how much: not what is used of it. */
static void corrupt_account(struct target *target)
{
	CLO_AUTO_FD int fd = sandbox_pin(target->box, "map/clo_accounts");
	size_t n;

	open_target(target, fd, "accounts");
	strcpy(target->witness, "account");
	n = node.force->n_quotas;
	assert_int_equal(walk(target, below(n)), n);
	if (below(3) == 0)
		remove_entry(target);
	else
		flip(target, 0, offsetof(struct clo_account, used));
}

static void test_maps(void **state)
{
	static void (*const corruptions[])(struct target * target) = {
		corrupt_table, corrupt_table, corrupt_table,      corrupt_table,
		corrupt_table, corrupt_table, corrupt_generation, corrupt_live,
		corrupt_port,  corrupt_meter, corrupt_account,    corrupt_place,
	};

	(void)ask(apply());
	check_clean("the apply");
	for (int i = 0; i < n_maps; i++) {
		struct target target = {.box = *state};

		asks = i % 10 == 0;
		corruptions[below(CLO_ARRAY_LEN(corruptions))](&target);
		check_clean(target.what);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(test_maps),
	};
	int r;

	n_maps = count_of(argc, argv, 200);
	if (!sandbox_enter())
		return skip_all("root, and namespaces");

	r = cmocka_run_group_tests(tests, NULL, NULL);
	print_message("%d corruptions of maps, %zu clean runs\n", n_maps,
		      clean_runs);
	return r;
}
