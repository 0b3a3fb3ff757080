/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "agent/sys/bpf_impl.h"

#define CHUNK 4096U /* bytes compared at once */

/* Changes on their way into one map. */
struct changes {
	int fd;
	const struct clo_table_type *type;
	bool gone; /* they are removals: keys alone */
	uint8_t *keys;
	uint8_t *values;
	__u32 n;
	bool differs; /* the walk met a difference, of whatever kind */
};

static void changes_done(struct changes *changes)
{
	free(changes->keys);
	free(changes->values);
}

static int changes_flush(struct changes *changes)
{
	__u32 n = changes->n;

	changes->n = 0;
	if (n == 0)
		return 0;
	if (changes->gone)
		return bpf_map_delete_batch(changes->fd, changes->keys, &n,
					    NULL);
	return bpf_map_update_batch(changes->fd, changes->keys, changes->values,
				    &n, NULL);
}

static int changes_add(struct changes *changes, const uint8_t *entry)
{
	const struct clo_table_type *type = changes->type;

	if (!changes->keys) { /* most tables see no change at all */
		changes->keys = calloc(CLO_BPF_BATCH, type->key_size);
		changes->values = calloc(CLO_BPF_BATCH, type->value_size);
		if (!changes->keys || !changes->values)
			return -ENOMEM;
	}

	memcpy(changes->keys + (size_t)changes->n * type->key_size, entry,
	       type->key_size);
	if (!changes->gone)
		memcpy(changes->values + (size_t)changes->n * type->value_size,
		       entry + type->key_size, type->value_size);

	return ++changes->n < CLO_BPF_BATCH ? 0 : changes_flush(changes);
}

/* Entries that are the same in both, from the front. */
static size_t same_run(const uint8_t *a, const uint8_t *b, size_t size,
		       size_t max)
{
	size_t step = CHUNK / size;
	size_t n = 0;

	while (max - n >= step &&
	       memcmp(a + n * size, b + n * size, step * size) == 0)
		n += step;
	while (n < max && memcmp(a + n * size, b + n * size, size) == 0)
		n++;

	return n;
}

struct cursor {
	const uint8_t *held;
	const uint8_t *held_end;
	const uint8_t *wanted;
	const uint8_t *wanted_end;
	const uint8_t *last; /* wanted before that; NULL: none */
};

/* Batches overwrite: the same key twice must not get that far. */
static int next_wanted(const struct clo_table_type *type, struct cursor *at,
		       size_t n)
{
	if (at->last && memcmp(at->last, at->wanted, type->key_size) >= 0)
		return -EINVAL;

	at->last = at->wanted + (n - 1) * type->entry_size;
	at->wanted += n * type->entry_size;
	return 0;
}

static int walk_step(struct changes *changes, struct cursor *at)
{
	const struct clo_table_type *type = changes->type;
	size_t size = type->entry_size;
	size_t held = (size_t)(at->held_end - at->held) / size;
	size_t wanted = (size_t)(at->wanted_end - at->wanted) / size;
	const uint8_t *entry = at->wanted;
	int order;
	size_t n;
	int r;

	n = same_run(at->held, at->wanted, size, held < wanted ? held : wanted);
	if (n > 0) {
		at->held += n * size;
		return next_wanted(type, at, n);
	}
	changes->differs = true;
	if (held == 0 || wanted == 0)
		order = held == 0 ? 1 : -1;
	else
		order = memcmp(at->held, at->wanted, type->key_size);
	if (order < 0) {
		entry = at->held;
		at->held += size;
		return changes->gone ? changes_add(changes, entry) : 0;
	}
	r = next_wanted(type, at, 1);
	if (r < 0)
		return r;
	if (order == 0)
		at->held += size;

	return changes->gone ? 0 : changes_add(changes, entry);
}

/* One walk along both: the removals, or the additions and new values. */
static int walk(struct changes *changes, const struct clo_table_data *held,
		const struct clo_table_data *wanted)
{
	static const uint8_t nothing; /* an empty table may have no memory */
	size_t size = changes->type->entry_size;
	struct cursor at = {
		.held = held->n > 0 ? held->entries : &nothing,
		.wanted = wanted->n > 0 ? wanted->entries : &nothing,
	};
	int r = 0;

	at.held_end = at.held + held->n * size;
	at.wanted_end = at.wanted + wanted->n * size;
	while (r == 0 && (at.held < at.held_end || at.wanted < at.wanted_end))
		r = walk_step(changes, &at);

	return r < 0 ? r : changes_flush(changes);
}

int clo_bpf_fill_difference(int fd, const struct clo_table_type *type,
			    const struct clo_table_data *held,
			    const struct clo_table_data *wanted,
			    bool *ret_changed)
{
	struct changes gone = {.fd = fd, .type = type, .gone = true};
	struct changes put = {.fd = fd, .type = type};
	int r;

	/* Removals first: they make the room. */
	r = walk(&gone, held, wanted);
	if (r == 0 && gone.differs)
		r = walk(&put, held, wanted);
	changes_done(&gone);
	changes_done(&put);
	if (r < 0)
		return r;

	*ret_changed = gone.differs;
	return 0;
}

/* What a map that may hold anything has of the wanted entries. */
struct survey {
	const struct clo_table_type *type;
	const struct clo_table_data *wanted;
	uint8_t *there; /* by wanted entry: it is there, with its value */
	struct clo_table_data strange; /* keys that are not wanted */
	size_t room; /* for strange */
};

static int survey_strange(struct survey *survey, const uint8_t *key)
{
	struct clo_table_data *strange = &survey->strange;
	size_t size = survey->type->key_size;

	if (strange->n == survey->room) {
		size_t room = survey->room * 2 + 64;
		uint8_t *larger = reallocarray(strange->entries, room, size);

		if (!larger)
			return -ENOMEM;
		strange->entries = larger;
		survey->room = room;
	}
	memcpy(strange->entries + strange->n++ * size, key, size);
	return 0;
}

static const uint8_t *find(const struct clo_table_type *type,
			   const struct clo_table_data *data,
			   const uint8_t *key)
{
	size_t low = 0;
	size_t high = data->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const uint8_t *entry =
			data->entries + middle * type->entry_size;
		int order = memcmp(entry, key, type->key_size);

		if (order == 0)
			return entry;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int survey_batch(const struct clo_bpf_batch *batch, void *userdata)
{
	struct survey *survey = userdata;
	const struct clo_table_type *type = survey->type;
	int r = 0;

	for (size_t i = 0; r == 0 && i < batch->n; i++) {
		const uint8_t *key = batch->keys + i * type->key_size;
		const uint8_t *value = batch->values + i * type->value_size;
		const uint8_t *entry = find(type, survey->wanted, key);

		if (!entry)
			r = survey_strange(survey, key);
		else if (memcmp(entry + type->key_size, value,
				type->value_size) == 0)
			survey->there[(size_t)(entry -
					       survey->wanted->entries) /
				      type->entry_size] = 1;
	}

	return r;
}

static int repair(int fd, const struct survey *survey)
{
	const struct clo_table_type *type = survey->type;
	struct changes changes = {.fd = fd, .type = type};
	int r = 0;

	for (size_t i = 0; i < survey->strange.n; i++) {
		r = bpf_map_delete_elem(fd, survey->strange.entries +
						    i * type->key_size);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	r = 0;
	for (size_t i = 0; r == 0 && i < survey->wanted->n; i++)
		if (!survey->there[i])
			r = changes_add(&changes, survey->wanted->entries +
							  i * type->entry_size);
	if (r == 0)
		r = changes_flush(&changes);
	changes_done(&changes);
	return r;
}

static bool is_sorted(const struct clo_table_type *type,
		      const struct clo_table_data *data)
{
	for (size_t i = 1; i < data->n; i++)
		if (memcmp(data->entries + (i - 1) * type->entry_size,
			   data->entries + i * type->entry_size,
			   type->key_size) >= 0)
			return false;

	return true;
}

int clo_bpf_fill_any(int fd, const struct clo_table_type *type,
		     const struct clo_table_data *wanted)
{
	CLO_AUTO_MEM uint8_t *there = NULL;
	struct survey survey = {.type = type, .wanted = wanted};
	int r;

	if (!is_sorted(type, wanted))
		return -EINVAL;
	there = calloc(wanted->n + 1, 1);
	if (!there)
		return -ENOMEM;

	survey.there = there;
	r = clo_bpf_map_walk(fd, type->key_size, type->value_size, survey_batch,
			     &survey);
	if (r == 0)
		r = repair(fd, &survey);
	free(survey.strange.entries);
	return r;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return len == 0 ||
	       (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

int clo_bpf_fill_array(struct clo_bpf_content *content, size_t entry_size,
		       const struct clo_table_data *wanted)
{
	size_t total = content->capacity * entry_size;
	size_t len = wanted->n * entry_size;
	uint8_t *to;
	int r;

	if (!content->memory.page) {
		r = clo_bpf_memory_map(content->fd, 0, total, true,
				       &content->memory);
		if (r < 0)
			return r;
	}

	to = content->memory.at;
	for (size_t at = 0; at < len; at += CHUNK) {
		size_t n = len - at < CHUNK ? len - at : CHUNK;

		if (memcmp(to + at, wanted->entries + at, n) != 0)
			memcpy(to + at, wanted->entries + at, n);
	}
	if (!is_zero(to + len, total - len))
		memset(to + len, 0, total - len);
	return 0;
}
