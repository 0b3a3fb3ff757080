/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

int clo_bpf_call(const struct clo_bpf *bpf, enum clo_bpf_call which, void *args,
		 size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args,
		    .ctx_size_in = (__u32)size);
	int r;

	r = bpf_prog_test_run_opts(bpf->calls[which], &opts);
	if (r < 0)
		return r;

	return (int)opts.retval;
}

int clo_bpf_account_set(struct clo_bpf *bpf, uint64_t key, uint64_t parent,
			uint32_t limit)
{
	struct clo_account_args args = {
		.key = key, .parent = parent, .limit = limit};

	if (key == 0)
		return -EINVAL;

	return clo_bpf_call(bpf, CLO_BPF_CALL_ACCOUNT, &args, sizeof(args));
}

int clo_bpf_account_del(struct clo_bpf *bpf, uint64_t key)
{
	int r = bpf_map_delete_elem(bpf->maps[CLO_BPF_MAP_ACCOUNTS], &key);

	return r == -ENOENT ? 0 : r;
}

struct accounts {
	struct clo_bpf_account *account;
	size_t n;
};

static int add_batch(const struct clo_bpf_batch *batch, void *userdata)
{
	struct accounts *accounts = userdata;
	struct clo_bpf_account *larger;

	larger = reallocarray(accounts->account, accounts->n + batch->n + 1,
			      sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	accounts->account = larger;
	for (size_t i = 0; i < batch->n; i++) {
		struct clo_bpf_account *to = &larger[accounts->n++];

		memcpy(&to->key, batch->keys + i * sizeof(to->key),
		       sizeof(to->key));
		memcpy(&to->account, batch->values + i * sizeof(to->account),
		       sizeof(to->account));
	}

	return 0;
}

int clo_bpf_accounts_read(struct clo_bpf *bpf,
			  struct clo_bpf_account **ret_accounts, size_t *ret_n)
{
	struct accounts accounts = {0};
	int r;

	r = clo_bpf_map_walk(bpf->maps[CLO_BPF_MAP_ACCOUNTS], sizeof(__u64),
			     sizeof(struct clo_account), add_batch, &accounts);
	if (r < 0) {
		free(accounts.account);
		return r;
	}

	*ret_accounts = accounts.account;
	*ret_n = accounts.n;
	return 0;
}

int clo_bpf_sweep(struct clo_bpf *bpf, struct clo_bpf_swept *ret_swept)
{
	struct clo_sweep_args args = {.now = clo_bpf_now()};
	int r;

	r = clo_bpf_call(bpf, CLO_BPF_CALL_SWEEP, &args, sizeof(args));
	if (r < 0)
		return r;

	*ret_swept = (struct clo_bpf_swept){args.live, args.ended};
	return 0;
}

/* The keys from an endpoint's account up; those that are not there end it. */
static int chain(const struct clo_bpf *bpf, __u32 endpoint,
		 __u64 ret_keys[CLO_ACCOUNT_LEVELS], size_t *ret_n)
{
	__u64 key = endpoint;
	size_t n = 0;

	while (key && n < CLO_ACCOUNT_LEVELS) {
		struct clo_account account;
		int r;

		r = bpf_map_lookup_elem(bpf->maps[CLO_BPF_MAP_ACCOUNTS], &key,
					&account);
		if (r == -ENOENT)
			break;
		if (r < 0)
			return r;
		ret_keys[n++] = key;
		key = account.parent;
	}

	*ret_n = n;
	return 0;
}

/*
 * `used` of account *context, minus one: atomic, as the guards count in it
 * meanwhile. Too small for an object of its own.
 */
static int release_program(int accounts)
{
	/* some codes are 0; they stand there for who reads them */
	/* NOLINTBEGIN(misc-redundant-expression) */
	const struct bpf_insn insns[] = {
		/* r6 = context; *(fp - 8) = *context */
		{BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0},
		{BPF_LDX | BPF_MEM | BPF_DW, 1, 6, 0, 0},
		{BPF_STX | BPF_MEM | BPF_DW, 10, 1, -8, 0},
		/* r0 = lookup(accounts, fp - 8) */
		{BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, accounts},
		{0, 0, 0, 0, 0},
		{BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0},
		{BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -8},
		{BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem},
		/* if it is there: lock used += -1 */
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0},
		{BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, -1},
		{BPF_STX | BPF_ATOMIC | BPF_W, 0, 1,
		 offsetof(struct clo_account, used), BPF_ADD},
		{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
		{BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
	};
	/* NOLINTEND(misc-redundant-expression) */
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_SLEEPABLE);

	return bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "clo_release", "GPL", insns,
			     CLO_ARRAY_LEN(insns), &opts);
}

int clo_bpf_account_release(struct clo_bpf *bpf, __u32 endpoint)
{
	__u64 keys[CLO_ACCOUNT_LEVELS];
	CLO_AUTO_FD int fd = -1;
	size_t n;
	int r;

	r = chain(bpf, endpoint, keys, &n);
	if (r < 0)
		return r;
	fd = release_program(bpf->maps[CLO_BPF_MAP_ACCOUNTS]);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < n; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &keys[i],
			    .ctx_size_in = sizeof(keys[i]));

		r = bpf_prog_test_run_opts(fd, &opts);
		if (r < 0)
			return r;
	}

	return 0;
}
