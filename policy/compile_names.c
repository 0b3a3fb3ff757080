/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/compile_build.h"
#include "policy/explain_service.h"

/* A text that grows; NULL once there was no memory. */
struct text {
	char *buffer;
	size_t n;
	FILE *file;
};

static int text_begin(struct text *text)
{
	text->file = open_memstream(&text->buffer, &text->n);
	return text->file ? 0 : -ENOMEM;
}

/* The text, to be freed, or NULL. */
static char *text_end(struct text *text)
{
	bool failed = ferror(text->file) != 0;

	if (fclose(text->file) != 0 || failed) {
		free(text->buffer);
		return NULL;
	}
	return text->buffer;
}

static const struct clo_scope_doc *
scope_of(const struct clo_build *build,
	 const struct clo_build_identity *identity)
{
	return &build->policy->tenants[identity->tenant]
			.scopes[identity->entry.environment];
}

static char *group_names(const struct clo_build *build,
			 const struct clo_build_identity *identity)
{
	const struct clo_scope_doc *scope = scope_of(build, identity);
	struct text text = {0};
	const uint32_t *key;
	size_t n;

	if (text_begin(&text) < 0)
		return NULL;
	key = clo_lists_get(&build->keys, identity->key, &n);
	for (uint32_t i = 0; i < key[3]; i++)
		(void)fprintf(text.file, "%s%s", i ? "," : "",
			      scope->groups[key[4 + i]]);
	return text_end(&text);
}

/*
 * Identities that only cidrs tell apart have one name and stand together, the
 * lowest address first: the second is "#2".
 */
static int name_endpoints(struct clo_build *build, uint32_t index,
			  uint32_t *twin)
{
	const struct clo_build_identity *identity = &build->identities[index];
	const char *segment =
		scope_of(build, identity)->segments[identity->segment].name;
	struct clo_identity_name *name = &build->out->identities[index];
	const struct clo_identity_name *last = name - 1;
	char *base;
	int r;

	name->group = group_names(build, identity);
	if (!name->group ||
	    asprintf(&name->scope, "%s/%s",
		     build->policy->tenants[identity->tenant].name,
		     clo_environment_name(identity->entry.environment)) < 0)
		return -ENOMEM;

	*twin = index > 1 && identity[-1].segment == identity->segment &&
				!strcmp(last->scope, name->scope) &&
				!strcmp(last->group, name->group)
			? *twin + 1
			: 1;
	r = asprintf(&base, *name->group ? "%s/%s{%s}" : "%s/%s%s", name->scope,
		     segment, name->group);
	if (r < 0)
		return -ENOMEM;
	if (*twin == 1) {
		name->name = base;
		return 0;
	}
	r = asprintf(&name->name, "%s#%u", base, *twin);
	free(base);
	return r < 0 ? -ENOMEM : 0;
}

static void put_cidr(FILE *file, const struct clo_cidr *cidr)
{
	char text[INET6_ADDRSTRLEN] = "";
	bool v4 = cidr->family == 4;

	(void)inet_ntop(v4 ? AF_INET : AF_INET6, cidr->addr, text,
			sizeof(text));
	(void)fprintf(file, "%s", text);
	if (cidr->bits < (v4 ? 32 : 128))
		(void)fprintf(file, "/%u", cidr->bits);
}

static void put_services(const struct clo_build *build,
			 const struct clo_build_identity *identity, FILE *file)
{
	size_t n;
	const uint32_t *sets = clo_lists_get(&build->lists, identity->sets, &n);

	for (size_t i = 0; i < n; i++) {
		uint32_t service = sets[i] - CLO_SET_SERVICE(0);

		(void)fprintf(file, "%s%s", i ? "+" : "service ",
			      build->policy->node.services[service].name);
	}
	/* The part of it that is at home has the plain name. */
	if (clo_build_has_level_2(build) &&
	    !(identity->entry.flags & CLO_IDENTITY_NATIONAL))
		(void)fputs(" abroad", file);
}

/* After the first block of the class, unique to it, and how many follow. */
static int name_external(struct clo_build *build, uint32_t index,
			 const uint32_t *blocks)
{
	const struct clo_build_identity *identity = &build->identities[index];
	struct text text = {0};

	if (text_begin(&text) < 0)
		return -ENOMEM;
	if (identity->entry.kind == CLO_IDENTITY_SERVICE) {
		put_services(build, identity, text.file);
	} else {
		(void)fputs(identity->entry.kind == CLO_IDENTITY_NODE ? "node "
			    : identity->entry.flags & CLO_IDENTITY_FORENSICS
				    ? "forensics "
			    : identity->entry.flags & CLO_IDENTITY_NATIONAL
				    ? "national "
				    : "external ",
			    text.file);
		put_cidr(text.file, &identity->lowest);
		if (blocks[index] > 1)
			(void)fprintf(text.file, " and %u more",
				      blocks[index] - 1);
	}
	build->out->identities[index].name = text_end(&text);
	return build->out->identities[index].name ? 0 : -ENOMEM;
}

static uint32_t *count_blocks(const struct clo_build *build)
{
	uint32_t *blocks = calloc(build->n_identities, sizeof(*blocks));

	for (size_t i = 0; blocks && i < build->blocks.n; i++) {
		uint32_t parent = build->blocks.blocks[i].parent;

		if (parent == CLO_BLOCK_NONE ||
		    build->block_identity[parent] != build->block_identity[i])
			blocks[build->block_identity[i]]++;
	}
	return blocks;
}

static int name_identities(struct clo_build *build)
{
	CLO_AUTO_MEM uint32_t *blocks = count_blocks(build);
	uint32_t twin = 0;
	int r = 0;

	build->out->identities =
		calloc(build->n_identities, sizeof(*build->out->identities));
	if (!blocks || !build->out->identities)
		return -ENOMEM;

	for (uint32_t i = 1; i < build->n_identities && r == 0; i++) {
		if (build->identities[i].entry.kind == CLO_IDENTITY_ENDPOINTS)
			r = name_endpoints(build, i, &twin);
		else
			r = name_external(build, i, blocks);
	}
	return r;
}

#define CLASS_RANGES_MAX 6 /* named; more are "..." */

static int add_range(struct clo_class_name *name, const struct clo_range *range,
		     uint32_t n_before)
{
	char text[CLO_SERVICE_TEXT];
	char *longer;
	uint32_t slot = range->first;

	/* Port 0 is a poor example where there is another. */
	if (n_before == 0 || (n_before == 1 && name->number == 0)) {
		slot += slot % 65536 == 0 && range->last > slot;
		clo_slot_decode(slot, &name->proto, &name->number);
	}
	if (range->class == 0 || n_before > CLASS_RANGES_MAX)
		return 0;

	if (n_before == 1 && clo_range_is_encapsulation(range)) {
		/* What "any" leaves out and no rule names. */
		free(name->name);
		name->name = strdup("encapsulation");
		return name->name ? 0 : -ENOMEM;
	}
	if (n_before > 1 && clo_range_is_encapsulation(range))
		return 0;
	clo_service_text(range->first, range->last, text);
	if (n_before == 0) {
		name->name = strdup(text);
		return name->name ? 0 : -ENOMEM;
	}
	if (asprintf(&longer, "%s,%s", name->name,
		     n_before == CLASS_RANGES_MAX ? "..."
						  : strchr(text, '/') + 1) < 0)
		return -ENOMEM;
	free(name->name);
	name->name = longer;
	return 0;
}

static int name_classes(struct clo_build *build)
{
	uint32_t n_classes = clo_classes_count(&build->classes);
	CLO_AUTO_MEM uint32_t *n = calloc(n_classes, sizeof(*n));
	struct clo_ranges ranges = {0};
	int r;

	build->out->classes = calloc(n_classes, sizeof(*build->out->classes));
	if (!n || !build->out->classes)
		return -ENOMEM;
	r = clo_ranges_init(&ranges, build->out->tables);
	for (size_t i = 0; i < ranges.n && r == 0; i++) {
		uint32_t class = ranges.ranges[i].class;

		r = add_range(&build->out->classes[class], &ranges.ranges[i],
			      n[class]++);
	}
	clo_ranges_done(&ranges);
	if (r < 0)
		return r;

	build->out->classes[0].name = strdup("other");
	return build->out->classes[0].name ? 0 : -ENOMEM;
}

int clo_build_names(struct clo_build *build)
{
	int r = name_identities(build);

	return r < 0 ? r : name_classes(build);
}
