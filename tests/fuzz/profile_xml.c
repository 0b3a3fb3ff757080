/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard/passthrough.h"
#include "agent/guard/xml_check.h"
#include "agent/guard/xml_harden.h"
#include "xml_profile.h"

/*
 * Anything as a domain's definition: judged or refused; what was hardened is a
 * domain still, needs no hardening, and has no finding more than before. Its
 * devices are looked for on a host that cannot be read.
 */

#define DEVICE_FINDINGS_MAX 72 /* 64 devices, and what is told of the host */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Bytes alone seldom make an element; these go where one can be. */
static const char *const pieces[] = {
	"<audio type='alsa'/>",
	"<backend type='emulator'/>",
	"<binary path='/x'/>",
	"<channel type='unix'><target type='virtio'/></channel>",
	"<channel type='spicevmc'/>",
	"<controller type='usb' model='ehci' ports='4'><master/></controller>",
	"<controller type='fdc'/>",
	"<cpu/>",
	"<cputune><quota>-1</quota></cputune>",
	"<devices/>",
	"<devices><emulator>x</emulator></devices>",
	"<disk type='file' device='disk'><source file='/srv/bases/x'/></disk>",
	"<seclabel model='dac' relabel='yes'><label>x</label></seclabel>",
	"<shareable/>",
	"<disk device='cdrom' type='file'/>",
	"<emulator/>",
	"<filesystem/>",
	"<graphics type='vnc' listen='::'><listen type='network'/></graphics>",
	"<hostdev mode='subsystem' type='pci'><source/></hostdev>",
	"<address domain='0' bus='0x1' slot='0' function='0'/>",
	"<hugepages/>",
	"<input type='evdev' bus='ps2'/>",
	"<interface type='hostdev'><source/></interface>",
	"<interface type='user'/>",
	"<interface type='network'><source network='x'/></interface>",
	"<mac address='52:54:00:00:0a:01'/>",
	"<iotune><read_iops_sec>1</read_iops_sec></iotune>",
	"<iotune><write_bytes_sec>1</write_bytes_sec></iotune>",
	"<iotune><total_iops_sec>-1</total_iops_sec></iotune>",
	"<launchSecurity/>",
	"<listen address='10.0.0.1'/>",
	"<loader>/usr/share/x</loader>",
	"<memballoon autodeflate='on' model='virtio'/>",
	"<memory unit='TiB'>9</memory>",
	"<memoryBacking><access mode='shared'/></memoryBacking>",
	"<memtune/>",
	"<name>acme-web-1</name>",
	"<on_crash>coredump-destroy</on_crash>",
	"<os><type machine='q35'/></os>",
	"<readonly/>",
	"<redirdev type='tcp'/>",
	"<resource><partition/></resource>",
	"<rng model='x'><backend model='egd'><source/></backend></rng>",
	"<seclabel model='dac'/>",
	"<seclabel model='dac' type='static'><label>x</label></seclabel>",
	"<seclabel type='none'/>",
	"<serial type='tcp'><source/><protocol/></serial>",
	"<source bridge='br0'/>",
	"<source path='/x' mode='bind'/>",
	"<sysinfo type='fwcfg'/>",
	"<tpm/>",
	"<video><driver name='vhostuser'/></video>",
	"<watchdog action='dump'/>",
	"<x:y xmlns:x='urn:x' a='&lt;'/>",
	"<!-- > -->",
	"<![CDATA[<a>]]>",
	"\n  ",
};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned int seed)
{
	const char *piece = pieces[(size_t)rand_r(&seed) %
				   (sizeof(pieces) / sizeof(*pieces))];
	size_t len = strlen(piece);
	const uint8_t *found;
	size_t at;

	if (size == 0 || size + len > max || rand_r(&seed) % 4 == 0)
		return LLVMFuzzerMutate(data, size, max);
	at = (size_t)rand_r(&seed) % size;
	found = memchr(data + at, '<', size - at);
	if (!found)
		return LLVMFuzzerMutate(data, size, max);
	at = (size_t)(found - data);
	memmove(data + at + len, data + at, size - at);
	for (size_t i = 0; i < len; i++)
		data[at + i] = (uint8_t)piece[i];
	return size + len;
}

static size_t count(const char *xml, const struct clo_profile *profile)
{
	struct clo_findings findings = {0};
	size_t n;

	assert(clo_xml_check(xml, profile, &findings) == 0);
	n = findings.n;
	clo_findings_done(&findings);
	return n;
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void judge_hardened(const char *hardened,
			   const struct clo_profile *profile, size_t before)
{
	char *again = NULL;

	require(count(hardened, profile) <= before);
	require(clo_xml_harden(hardened, profile, &again) == 0);
	require(strcmp(hardened, again) == 0);
	free(again);
}

/* On that host no device is right, and a bounded number is told of. */
static void judge_devices(const char *xml, const struct clo_profile *profile,
			  int r)
{
	struct clo_findings findings = {0};
	bool admitted = profile->devices & CLO_DEVICE_PASSTHROUGH;

	require(clo_passthrough_check(-1, -1, xml, profile, true, &findings) ==
		r);
	require(findings.n <= (admitted && r == 0 ? DEVICE_FINDINGS_MAX : 0U));
	clo_findings_done(&findings);
}

static void judge(const char *xml, const struct clo_profile *profile)
{
	struct clo_findings findings = {0};
	char *hardened = NULL;
	int r = clo_xml_check(xml, profile, &findings);
	size_t n = findings.n;

	clo_findings_done(&findings);
	require(r == 0 || (r == -EINVAL && n == 0));
	judge_devices(xml, profile, r);
	if (clo_xml_harden(xml, profile, &hardened) < 0)
		return; /* also in another encoding, which is judged */
	require(r == 0);
	judge_hardened(hardened, profile, n);
	require(n > 0 || strcmp(hardened, xml) == 0);
	free(hardened);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A UUID would be wrong nearly always. */
	struct clo_profile named = xml_profile;
	struct clo_profile bare = {
		.workload = xml_profile.workload,
		.uid = xml_profile.uid,
		.gid = xml_profile.gid,
		.emulator = xml_profile.emulator,
		.partition = xml_profile.partition,
		.directory = xml_profile.directory,
		.devices = ~0U,
	};
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	named.uuid = NULL;
	judge(text, &named);
	judge(text, &bare);
	free(text);
	return 0;
}
