/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "check.h"
#include "policy/host_view.h"
#include "policy/service_spec.h"
#include "unit/imported.h"

/*
 * Cases of our own, in data/import: objects of Kubernetes, and the verdicts
 * that they must become, by packets: all ports that a line names, the outside
 * too. `flaws` instead: what is said of objects that cannot be translated.
 */

#define DATA CLO_SOURCE_DIR "/tests/data/import/"

struct one {
	json_t *json;
	struct clo_kube *kube;
	struct clo_flaws *flaws, *notes;
	struct imported imported;
	struct clo_import_options options;
};

static const char *text_at(const json_t *array, size_t i)
{
	const char *text = json_string_value(json_array_get(array, i));

	assert_non_null(text);
	return text;
}

static enum clo_import_between between_of(const json_t *json)
{
	const char *word = json_string_value(json_object_get(json, "between"));

	if (word && strcmp(word, "all") == 0)
		return CLO_BETWEEN_ALL;
	return word && strcmp(word, "none") == 0 ? CLO_BETWEEN_NONE
						 : CLO_BETWEEN_NAMED;
}

static int read_one(const char *path, struct one *one)
{
	CLO_AUTO_MEM char *text = NULL;
	struct clo_document document = {.name = "objects.json"};

	*one = (struct one){.options = imported_flat};
	one->json = json_load_file(path, 0, NULL);
	assert_non_null(one->json);
	one->options.between = between_of(one->json);
	text = json_dumps(json_object_get(one->json, "objects"), 0);
	assert_non_null(text);
	document.text = text;
	document.len = strlen(text);
	assert_int_equal(clo_flaws_new(&one->flaws), 0);
	assert_int_equal(clo_flaws_new(&one->notes), 0);
	return clo_kube_read(&document, 1, &one->options, &one->kube,
			     one->flaws, one->notes);
}

static void one_done(struct one *one)
{
	imported_done(&one->imported);
	clo_kube_free(one->kube);
	clo_flaws_free(one->flaws);
	clo_flaws_free(one->notes);
	json_decref(one->json);
}

static struct clo_service_spec spec_of(const char *text)
{
	struct clo_service_spec spec;
	const char *wrong = text;

	if (clo_service_spec_parse(text, &spec, &wrong) < 0)
		fail_msg("%s: %s", text, wrong);
	return spec;
}

/* All pods of the list against all, at one port. */
static void compare(const struct one *one, const json_t *matrix, uint8_t proto,
		    uint16_t number)
{
	const json_t *ids = json_object_get(one->json, "pods");
	size_t n = json_array_size(ids);

	for (size_t row = 0; row < n; row++) {
		const char *cells = text_at(matrix, row);
		size_t from = imported_find(&one->imported, text_at(ids, row));

		assert_int_equal(strlen(cells), n);
		assert_true(from != SIZE_MAX);
		for (size_t column = 0; column < n; column++) {
			size_t to = imported_find(&one->imported,
						  text_at(ids, column));

			assert_true(to != SIZE_MAX);
			if (imported_allows(&one->imported, from, to, proto,
					    number) != (cells[column] == '.'))
				fail_msg("%s to %s, protocol %u number %u: "
					 "expected %c",
					 text_at(ids, row),
					 text_at(ids, column), proto, number,
					 cells[column]);
		}
	}
}

/* Once for each service class that the ports meet: that is all of them. */
static void compare_ports(const struct one *one, const json_t *line,
			  bool *covered)
{
	const json_t *ports = json_object_get(line, "ports");

	for (size_t i = 0; i < json_array_size(ports); i++) {
		struct clo_service_spec spec = spec_of(text_at(ports, i));
		uint32_t last = CLO_CLASS_NONE;

		for (uint32_t port = spec.first; port <= spec.last; port++) {
			uint32_t class = imported_class(
				&one->imported, spec.proto, (uint16_t)port);

			covered[clo_judge_slot(spec.proto, (uint16_t)port)] =
				true;
			if (class != last)
				compare(one, json_object_get(line, "matrix"),
					spec.proto, (uint16_t)port);
			last = class;
		}
	}
}

static void compare_all(const struct one *one)
{
	CLO_AUTO_MEM bool *covered = calloc(CLO_SLOTS, sizeof(*covered));
	const json_t *lines = json_object_get(one->json, "expected");

	assert_non_null(covered);
	for (size_t i = 0; i < json_array_size(lines); i++)
		compare_ports(one, json_array_get(lines, i), covered);
	for (uint32_t port = 1; port < 65536; port++)
		assert_true(covered[CLO_SLOT_TCP + port] &&
			    covered[CLO_SLOT_UDP + port] &&
			    covered[CLO_SLOT_SCTP + port]);
}

/* An address, or a pod's first one; and in which space. */
static bool resolve(const struct one *one, const char *text,
		    uint8_t *ret_family, uint8_t ret_addr[16], uint32_t *space)
{
	size_t pod = imported_find(&one->imported, text);
	const struct clo_cidr *own;

	*ret_family = strchr(text, ':') ? 6 : 4;
	if (inet_pton(*ret_family == 6 ? AF_INET6 : AF_INET, text, ret_addr) ==
	    1)
		return true;
	if (pod == SIZE_MAX)
		fail_msg("%s: neither a pod nor an address", text);
	own = one->imported.pods[pod].kube->addresses;
	*ret_family = own->family;
	memcpy(ret_addr, own->addr, sizeof(own->addr));
	*space = one->imported.pods[pod].space;
	return false;
}

/* [from, to, port, allowed]: pods, or addresses as the pods' space has them. */
static void compare_address(const struct one *one, const json_t *line)
{
	const struct clo_view view = {one->imported.compiled->tables};
	struct clo_service_spec spec = spec_of(text_at(line, 2));
	uint32_t space = one->imported.pods[0].space;
	struct clo_side src, dst;
	struct clo_verdict verdict;
	uint8_t addr[2][16] = {{0}}, family[2];
	bool alone[2];

	for (size_t i = 0; i < 2; i++)
		alone[i] = resolve(one, text_at(line, i), &family[i], addr[i],
				   &space);
	if (alone[0] != alone[1] && family[0] != family[1]) {
		/* The pod's other address. */
		size_t pod = alone[0] ? 1 : 0;
		size_t index =
			imported_find(&one->imported, text_at(line, pod));
		const struct clo_kube_pod *kube =
			one->imported.pods[index].kube;

		assert_int_equal(kube->n_addresses, 2);
		memcpy(addr[pod], kube->addresses[1].addr, 16);
		family[pod] = kube->addresses[1].family;
	}
	assert_int_equal(family[0], family[1]);
	clo_judge_side(&view, space, family[0], addr[0], &src);
	clo_judge_side(&view, space, family[1], addr[1], &dst);
	clo_judge_pair(&view, src.identity, dst.identity, spec.proto,
		       spec.first, &verdict);
	if ((verdict.drop == CLO_DROP_NONE) !=
	    json_is_true(json_array_get(line, 3)))
		fail_msg("%s to %s, %s: drop %u", text_at(line, 0),
			 text_at(line, 1), text_at(line, 2), verdict.drop);
}

static void compare_addresses(const struct one *one, const char *key)
{
	const json_t *lines = json_object_get(one->json, key);

	for (size_t i = 0; i < json_array_size(lines); i++)
		compare_address(one, json_array_get(lines, i));
}

static bool says(const struct clo_flaws *flaws, const char *what)
{
	for (size_t i = 0; i < clo_flaws_kept(flaws); i++)
		if (strstr(clo_flaws_get(flaws, i)->text, what))
			return true;
	return false;
}

/* Refused, with a line for each mistake; by the reader or the translator. */
static void compare_flaws(const struct one *one, int r, const json_t *wanted)
{
	assert_int_equal(r, -EINVAL);
	for (size_t i = 0; i < json_array_size(wanted); i++)
		if (!says(one->flaws, text_at(wanted, i)) &&
		    !strstr(one->imported.why, text_at(wanted, i)))
			fail_msg("nobody says: %s", text_at(wanted, i));
}

static size_t count_endpoint_identities(const struct imported *imported)
{
	const struct clo_tables *tables = imported->compiled->tables;
	size_t n = 0;

	for (uint32_t i = 1; i < tables->gen.identities; i++) {
		const struct clo_identity *identity =
			clo_tables_find(tables, CLO_TABLE_IDENTITIES, &i);

		n += identity->kind == CLO_IDENTITY_ENDPOINTS;
	}
	return n;
}

static void compare_rest(const struct one *one)
{
	const json_t *identities = json_object_get(one->json, "identities");
	const json_t *breaches = json_object_get(one->json, "breaches");
	const json_t *notes = json_object_get(one->json, "notes");

	assert_int_equal(imported_breaches(&one->imported) > 0,
			 json_is_true(breaches));
	assert_int_equal(clo_flaws_count(one->notes) + one->imported.n_notes,
			 json_integer_value(notes));
	if (identities)
		assert_int_equal(count_endpoint_identities(&one->imported),
				 json_integer_value(identities));
}

static void run_one(const char *path)
{
	const json_t *flaws;
	struct one one;
	int r = read_one(path, &one);

	if (r == 0)
		r = imported_make(&one.imported, one.kube, &one.options);
	flaws = json_object_get(one.json, "flaws");
	if (flaws) {
		compare_flaws(&one, r, flaws);
	} else {
		if (r < 0)
			fail_msg("%s: %s", path,
				 clo_flaws_count(one.flaws)
					 ? clo_flaws_get(one.flaws, 0)->text
					 : one.imported.why);
		compare_all(&one);
		compare_addresses(&one, "outside");
		compare_addresses(&one, "addresses");
		compare_rest(&one);
	}
	one_done(&one);
}

static int is_case(const struct dirent *entry)
{
	return strstr(entry->d_name, ".json") != NULL;
}

static void every_case_holds(void **state)
{
	struct dirent **names = NULL;
	int n = scandir(DATA, &names, is_case, alphasort);

	(void)state;
	assert_in_range(n, 12, 1000);
	for (int i = 0; i < n; i++) {
		char path[1024];

		(void)snprintf(path, sizeof(path), DATA "%s", names[i]->d_name);
		print_message("%s\n", names[i]->d_name);
		run_one(path);
		free(names[i]);
	}
	free(names);
}

static int read_text(const char *text, struct clo_flaws *flaws)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *notes = NULL;
	CLO_AUTO(clo_kube) struct clo_kube *kube = NULL;
	struct clo_document document = {"t.json", text, strlen(text)};

	assert_int_equal(clo_flaws_new(&notes), 0);
	return clo_kube_read(&document, 1, &imported_flat, &kube, flaws, notes);
}

#define OBJECTS                                                                \
	"{\"metadata\":{\"name\":\"x\"}}],\"kind\":\"NamespaceList\","         \
	"\"apiVersion\":\"v1\"}"

/* What is no cluster at all is refused in one line with its place. */
static void other_texts_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
		int line;
	} cases[] = {
		{"", "empty", 1},
		{" \n ", "empty", 1},
		{"{\n\"a\":", "not JSON", 2},
		{"\n{}", "kind \"\" cannot be translated", 2},
		{"{\"kind\":\"List\",\n\"items\":[7]}", "expected an object",
		 2},
		{"[]", "no pod", 0},
		{"{\"items\":[" OBJECTS, "no pod", 0},
		{"{\"kind\":\"Secret\"}", "kubectl get namespaces,pods", 1},
		{"{\"kind\":\"Pod\",\"kind\":\"Pod\"}", "not JSON", 1},
	};

	(void)state;
	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;

		assert_int_equal(clo_flaws_new(&flaws), 0);
		assert_int_equal(read_text(cases[i].text, flaws), -EINVAL);
		assert_int_equal(clo_flaws_count(flaws), 1);
		if (!says(flaws, cases[i].says) ||
		    clo_flaws_get(flaws, 0)->line != cases[i].line)
			fail_msg("%s: line %d: %s", cases[i].text,
				 clo_flaws_get(flaws, 0)->line,
				 clo_flaws_get(flaws, 0)->text);
	}
}

static void nesting_is_bounded(void **state)
{
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	char text[CLO_IMPORT_DEPTH_MAX + 2] = "";

	(void)state;
	memset(text, '[', CLO_IMPORT_DEPTH_MAX + 1);
	assert_int_equal(clo_flaws_new(&flaws), 0);
	assert_int_equal(read_text(text, flaws), -EINVAL);
	assert_true(says(flaws, "nested 65 deep"));
}

/* Labels say whose a namespace is; without them, the options do. */
static void a_namespace_has_a_scope(void **state)
{
	static const char text[] =
		"[{\"apiVersion\":\"v1\",\"kind\":\"Namespace\","
		"\"metadata\":{\"name\":\"n\",\"labels\":{\"owner\":\"Ac_me\"}"
		"}}]";
	struct clo_import_options options = imported_flat;
	struct clo_document document = {"t.json", text, strlen(text)};
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *notes = NULL;
	CLO_AUTO(clo_kube) struct clo_kube *kube = NULL;

	(void)state;
	options.tenant = options.environment = NULL;
	assert_int_equal(clo_flaws_new(&flaws), 0);
	assert_int_equal(clo_flaws_new(&notes), 0);
	assert_int_equal(
		clo_kube_read(&document, 1, &options, &kube, flaws, notes),
		-EINVAL);
	assert_true(says(flaws, "no label cloison.io/tenant"));
	assert_true(says(flaws, "no label cloison.io/environment"));
	options.tenant_label = options.environment_label = "owner";
	assert_int_equal(
		clo_kube_read(&document, 1, &options, &kube, flaws, notes),
		-EINVAL);
	assert_true(says(flaws, "tenant \"Ac_me\": expected"));
	assert_true(says(flaws, "environment \"Ac_me\": expected production"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_holds),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(a_namespace_has_a_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
