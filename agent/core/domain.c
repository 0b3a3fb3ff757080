/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/core/domain.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/base/auto.h"
#include "agent/core/control.h"
#include "agent/core/reply.h"
#include "agent/core/sandbox.h"
#include "agent/guard/xml_check.h"
#include "agent/guard/xml_define.h"
#include "agent/guard/xml_harden.h"

#define DISK "disk.qcow2" /* where the shape says of no disks */
/* The serial port: in its sandbox QEMU makes no pty. */
#define CONSOLE "console.sock"
#define LOG "console.log" /* where a socket's name would be too long */
#define NVRAM "vars.fd" /* of firmware, where it says no other */
#define MEMORY_MAX (1LL << 30) /* MiB */
#define VCPUS_MAX 65535

static json_t *list_findings(const struct clo_findings *findings)
{
	json_t *list = json_array();

	for (size_t i = 0; i < findings->n; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s}", "control",
					findings->list[i].control, "where",
					findings->list[i].where, "text",
					findings->list[i].text));
	return list;
}

/* `xml` NULL: the findings allow none. */
static json_t *tell(const struct clo_profile *profile,
		    const struct clo_findings *left, const char *xml)
{
	return clo_reply_accept(json_pack("{s:s, s:o, s:s?}", "workload",
					  profile->workload, "left",
					  list_findings(left), "xml", xml));
}

/* *ret_profile, else the reply that refuses. */
static json_t *profile_of(const struct clo_node *node,
			  const struct clo_workload_doc *workload,
			  struct clo_profile **ret_profile)
{
	int r = clo_sandbox_profile(node, workload, ret_profile);

	if (r == -ENOENT)
		return clo_reply_refuse(CLO_EXIT_REFUSED,
					"the policy's Node has no sandbox");
	return r < 0 ? clo_reply_failure("its profile cannot be made", r)
		     : NULL;
}

static json_t *hardened(const struct clo_profile *profile, const char *xml)
{
	CLO_AUTO_MEM char *mended = NULL;
	struct clo_findings left = {0};
	json_t *reply;
	int r;

	r = clo_xml_harden(xml, profile, &mended);
	if (r == 0)
		r = clo_xml_check(mended, profile, &left);
	reply = r < 0 ? clo_reply_failure("the XML cannot be hardened", r)
		      : tell(profile, &left, mended);
	clo_findings_done(&left);
	return reply;
}

json_t *clo_domain_harden(struct clo_node *node, const json_t *request)
{
	const char *xml = json_string_value(json_object_get(request, "xml"));
	__attribute__((cleanup(
		clo_virt_domain_done))) struct clo_virt_domain domain = {0};
	CLO_AUTO(clo_profile) struct clo_profile *profile = NULL;
	const struct clo_workload_doc *workload;
	json_t *refused;
	bool ambiguous;

	if (!xml)
		return clo_reply_refuse(CLO_EXIT_USAGE, "harden needs xml");
	if (!node->force)
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no policy is in force");
	if (clo_virt_parse(xml, &domain) < 0)
		return clo_reply_refuse(CLO_EXIT_USAGE,
					"its XML cannot be understood");
	workload = clo_inventory_workload(node->force->policy, &domain,
					  &ambiguous);
	if (!workload)
		return clo_reply_refuse(
			CLO_EXIT_REFUSED,
			ambiguous ? "two workloads of the policy claim it"
				  : "it is no workload of the policy");
	refused = profile_of(node, workload, &profile);
	return refused ? refused : hardened(profile, xml);
}

/* A domain that is asked for: all strings are the settled shape's. */
struct wish {
	json_t *settled; /* owned */
	struct clo_xml_image disks[CLO_XML_DISKS_MAX];
	struct clo_xml_shape shape;
};

static void wish_done(struct wish *wish)
{
	json_decref(wish->settled);
}

/* Names are below the workload's directory. */
static void settle_path(json_t *object, const char *member,
			const char *directory)
{
	const char *path = json_string_value(json_object_get(object, member));

	if (path && path[0] != '/')
		(void)json_object_set_new(
			object, member, json_sprintf("%s/%s", directory, path));
}

static void settle_console(json_t *settled, const char *directory)
{
	struct sockaddr_un address;
	bool fits = strlen(directory) + sizeof("/" CONSOLE) <=
		    sizeof(address.sun_path);

	if (json_object_get(settled, "console") ||
	    json_object_get(settled, "socket"))
		return;
	(void)json_object_set_new(settled, fits ? "socket" : "console",
				  json_string(fits ? CONSOLE : LOG));
}

/* A copy of the request's shape with what it leaves open; NULL: no memory. */
static json_t *settle(const json_t *shape, const char *directory)
{
	static const char *const paths[] = {
		"kernel",        "initrd", "loader",  "nvram",
		"nvramTemplate", "tpm",    "console", "socket",
	};
	json_t *settled = json_deep_copy(shape);
	json_t *disk;
	size_t i;

	if (!json_object_get(settled, "disks"))
		(void)json_object_set_new(settled, "disks",
					  json_pack("[{s:s, s:s}]", "path",
						    DISK, "format", "qcow2"));
	if (json_object_get(settled, "loader") &&
	    !json_object_get(settled, "nvram"))
		(void)json_object_set_new(settled, "nvram", json_string(NVRAM));
	settle_console(settled, directory);
	for (i = 0; i < CLO_ARRAY_LEN(paths); i++)
		settle_path(settled, paths[i], directory);
	json_array_foreach (json_object_get(settled, "disks"), i, disk)
		settle_path(disk, "path", directory);
	return settled;
}

/* NULL, or what is wrong. */
static json_t *read_disks(struct wish *wish, json_t *disks)
{
	json_error_t error;
	json_t *disk;
	size_t i;

	if (!json_is_array(disks) || json_array_size(disks) > CLO_XML_DISKS_MAX)
		return json_sprintf("disks are a list of at most %d",
				    CLO_XML_DISKS_MAX);
	json_array_foreach (disks, i, disk) {
		struct clo_xml_image *image = &wish->disks[i];
		int block = 0, read_only = 0;

		if (json_unpack_ex(disk, &error, 0, "{s:s, s:s, s?b, s?b !}",
				   "path", &image->path, "format",
				   &image->format, "block", &block, "readOnly",
				   &read_only) < 0)
			return json_sprintf("a disk's %s", error.text);
		image->block = block;
		image->read_only = read_only;
	}
	wish->shape.disks = wish->disks;
	wish->shape.n_disks = i;
	return NULL;
}

static json_t *read_shape(struct wish *wish)
{
	struct clo_xml_shape *shape = &wish->shape;
	json_int_t memory, vcpus;
	json_error_t error;
	json_t *disks;
	int emulated = 0;

	if (json_unpack_ex(wish->settled, &error, 0,
			   "{s:I, s:I, s:o, s?s, s?s, s?s, s?s, s?s, s?s, s?s, "
			   "s?s, s?s, s?s, s?b !}",
			   "memory", &memory, "vcpus", &vcpus, "disks", &disks,
			   "kernel", &shape->kernel, "initrd", &shape->initrd,
			   "cmdline", &shape->cmdline, "loader", &shape->loader,
			   "nvram", &shape->nvram, "nvramTemplate",
			   &shape->nvram_template, "tpm", &shape->tpm,
			   "console", &shape->console, "socket", &shape->socket,
			   "bridge", &shape->bridge, "emulated", &emulated) < 0)
		return json_sprintf("%s", error.text);
	if (memory < 1 || memory > MEMORY_MAX)
		return json_sprintf("memory is 1 to %lld MiB", MEMORY_MAX);
	if (vcpus < 1 || vcpus > VCPUS_MAX)
		return json_sprintf("vcpus are 1 to %d", VCPUS_MAX);
	if ((shape->initrd || shape->cmdline) && !shape->kernel)
		return json_string("initrd and cmdline need a kernel");
	if ((shape->nvram || shape->nvram_template) && !shape->loader)
		return json_string("nvram and its template need a loader");

	shape->memory = (unsigned long long)memory;
	shape->vcpus = (unsigned int)vcpus;
	shape->emulated = emulated;
	return read_disks(wish, disks);
}

/* By what the policy knows its domain, or a name of ours and a label. */
static void name_domain(const struct clo_workload_doc *workload,
			struct clo_xml_shape *shape)
{
	if (workload->domain)
		return;

	shape->name = workload->name;
	if (!workload->uuid)
		shape->label = workload->name;
}

static json_t *usage(json_t *what)
{
	json_t *reply = clo_reply_because(
		CLO_EXIT_USAGE, json_sprintf("the shape cannot be used: %s",
					     json_string_value(what)));

	json_decref(what);
	return reply;
}

static json_t *defined(const struct clo_profile *profile,
		       const struct clo_workload_doc *workload,
		       const json_t *request)
{
	__attribute__((cleanup(wish_done))) struct wish wish = {
		.settled = settle(json_object_get(request, "shape"),
				  profile->directory),
	};
	CLO_AUTO_MEM char *xml = NULL;
	struct clo_findings left = {0};
	json_t *reply;
	int r;

	reply = read_shape(&wish);
	if (reply)
		return usage(reply);
	name_domain(workload, &wish.shape);
	r = clo_xml_define(profile, &wish.shape, &left, &xml);
	if (r == 0 || (r == -EINVAL && left.n > 0))
		reply = tell(profile, &left, xml);
	else if (r == -EINVAL)
		reply = usage(json_string("a text has control characters"));
	else
		reply = clo_reply_failure("the domain cannot be made", r);
	clo_findings_done(&left);
	return reply;
}

/* NULL: there is none; no two have one name. */
static const struct clo_workload_doc *
find_workload(const struct clo_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->n_workloads; i++)
		if (clo_workload_is_called(&policy->workloads[i], name))
			return &policy->workloads[i];
	return NULL;
}

json_t *clo_domain_define(struct clo_node *node, const json_t *request)
{
	const char *name =
		json_string_value(json_object_get(request, "workload"));
	CLO_AUTO(clo_profile) struct clo_profile *profile = NULL;
	const struct clo_workload_doc *workload;
	json_t *refused;

	if (!name || !json_is_object(json_object_get(request, "shape")))
		return clo_reply_refuse(CLO_EXIT_USAGE,
					"define needs workload and shape");
	if (!node->force)
		return clo_reply_refuse(CLO_EXIT_INCONCLUSIVE,
					"no policy is in force");
	workload = find_workload(node->force->policy, name);
	if (!workload)
		return clo_reply_because(
			CLO_EXIT_REFUSED,
			json_sprintf("%s: no workload of the policy in force",
				     name));
	refused = profile_of(node, workload, &profile);
	return refused ? refused : defined(profile, workload, request);
}
