/* SPDX-License-Identifier: Apache-2.0 */
#include "xml_profile.h"

static const char *const bases[] = {"/srv/bases"};
static const char *const bridges[] = {"br0"};
static const struct clo_profile_nic nics[] = {
	{{0x52, 0x54, 0, 0, 0x0a, 1}},
};

const struct clo_profile xml_profile = {
	.workload = "acme/production/web-1",
	.name = "acme-web-1",
	.uuid = "8b2e1a34-5c6d-4f70-8192-a3b4c5d6e7f8",
	.uid = 200001,
	.gid = 200001,
	.emulator = "/usr/libexec/cloison/cloison-qemu",
	.partition = "/machine/cloison-acme-production",
	.weighs = true,
	.directory = XML_HOME,
	.bases = bases,
	.n_bases = 1,
	.bridges = bridges,
	.n_bridges = 1,
	.nics = nics,
	.n_nics = 1,
};

static const char *const lab_bases[] = {"/run/lab/bases"};
static const char *const lab_bridges[] = {"clobr0"};

const struct clo_profile xml_lab_profile = {
	.workload = "acme/production/web-1",
	.name = "acme-web-1",
	.uid = 64001,
	.gid = 64001,
	.emulator = "/usr/bin/qemu-system-x86_64",
	.partition = "/machine",
	.weighs = true,
	.directory = XML_LAB_HOME,
	.bases = lab_bases,
	.n_bases = 1,
	.bridges = lab_bridges,
	.n_bridges = 1,
	.nics = nics,
	.n_nics = 1,
};
