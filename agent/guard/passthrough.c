/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/passthrough.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/base/file.h"
#include "agent/guard/xml_impl.h"
#include "firmware/judge.h"

#define GIVEN_MAX 64U /* devices of one domain */
#define ADDRESS_SIZE 20 /* "0000:01:00.0"; a domain may have 8 digits */
#define WHERE_SIZE (ADDRESS_SIZE + 8)
#define CMDLINE_MAX 65536U
#define WORD_SIZE 64
#define LINK_SIZE 1024
#define SPACE " \t\n"

struct look {
	int proc, sys;
	bool running;
	char given[GIVEN_MAX][ADDRESS_SIZE];
	size_t n;
	struct clo_tell tell;
};

/* The first line of a small file. */
static int read_word(int dirfd, const char *name, char ret_word[WORD_SIZE])
{
	CLO_AUTO_FD int fd =
		openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_word, WORD_SIZE - 1);

	if (n < 0)
		return -errno;
	ret_word[n] = '\0';
	ret_word[strcspn(ret_word, "\n")] = '\0';
	return 0;
}

/* The last name of where a link leads to. */
static int read_link(int dirfd, const char *name, char ret_name[NAME_MAX + 1])
{
	char text[LINK_SIZE];
	ssize_t n = readlinkat(dirfd, name, text, sizeof(text));
	const char *last;

	if (n < 0)
		return -errno;
	if (n == sizeof(text))
		return -ENAMETOOLONG;
	text[n] = '\0';
	last = strrchr(text, '/');
	last = last ? last + 1 : text;
	if (!*last || strlen(last) > NAME_MAX)
		return -EBADMSG;
	memcpy(ret_name, last, strlen(last) + 1);
	return 0;
}

/* "" where it has none, "?" where that cannot be told. */
static void read_driver(int device, char ret_name[NAME_MAX + 1])
{
	int r = read_link(device, "driver", ret_name);

	if (r < 0)
		(void)snprintf(ret_name, NAME_MAX + 1, "%s",
			       r == -ENOENT ? "" : "?");
}

/* Drivers of vfio for one kind of device have other names. */
static bool is_vfio(int device, const char *driver)
{
	return strcmp(driver, "vfio-pci") == 0 ||
	       (*driver && faccessat(device, "vfio-dev", F_OK, 0) == 0);
}

static bool is_bridge(int device)
{
	char class[WORD_SIZE];

	return read_word(device, "class", class) == 0 && strlen(class) == 8 &&
	       strncmp(class, "0x0604", 6) == 0;
}

static bool is_given(const struct look *look, const char *name)
{
	for (size_t i = 0; i < look->n; i++)
		if (strcmp(look->given[i], name) == 0)
			return true;
	return false;
}

/* Nobody moves data through it: vfio takes a group with such a device. */
static bool is_idle(int device, const char *driver)
{
	return !*driver || strcmp(driver, "pci-stub") == 0 ||
	       (strcmp(driver, "pcieport") == 0 && is_bridge(device));
}

/* Another device of a group. */
struct peer {
	char name[NAME_MAX + 1];
	char driver[NAME_MAX + 1];
	bool bridge;
	bool idle;
};

static void read_peer(DIR *group, const char *name, struct peer *ret_peer)
{
	CLO_AUTO_FD int device =
		openat(dirfd(group), name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)snprintf(ret_peer->name, sizeof(ret_peer->name), "%s", name);
	read_driver(device, ret_peer->driver);
	ret_peer->bridge = is_bridge(device);
	ret_peer->idle = is_idle(device, ret_peer->driver);
}

/* The first, by name, that is neither given nor idle. */
static bool find_stranger(const struct look *look, DIR *group,
			  struct peer *ret_peer)
{
	const struct dirent *entry;
	bool found = false;
	struct peer peer;

	while ((entry = readdir(group))) {
		if (entry->d_name[0] == '.' || is_given(look, entry->d_name) ||
		    (found && strcmp(ret_peer->name, entry->d_name) < 0))
			continue;
		read_peer(group, entry->d_name, &peer);
		if (peer.idle)
			continue;
		*ret_peer = peer;
		found = true;
	}
	return found;
}

static DIR *open_group(int device)
{
	int fd = openat(device, "iommu_group/devices",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		(void)close(fd);
	return dir;
}

static void check_whole(struct look *look, int device, const char *group,
			const char *where)
{
	struct peer peer;
	DIR *dir = open_group(device);

	if (!dir) {
		clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
			 "is in IOMMU group %s, which cannot be read: remove "
			 "the device from the domain",
			 group);
		return;
	}
	if (find_stranger(look, dir, &peer))
		clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
			 "is in IOMMU group %s with %s (driver %s), which the "
			 "domain does not have, and a group is given whole: %s",
			 group, peer.name, *peer.driver ? peer.driver : "none",
			 peer.bridge ? "unbind that bridge from its driver"
				     : "add a <hostdev> for that one, too");
	(void)closedir(dir);
}

/* vfio makes groups of its own where there is no IOMMU. */
static void check_group(struct look *look, int device, const char *where)
{
	char group[NAME_MAX + 1];
	char name[WORD_SIZE];

	if (read_link(device, "iommu_group", group) < 0 ||
	    (read_word(device, "iommu_group/name", name) == 0 &&
	     strcmp(name, "vfio-noiommu") == 0))
		clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
			 "is behind no IOMMU, so that it reaches all memory of "
			 "the host: switch VT-d or AMD-Vi on");
	else
		check_whole(look, device, group, where);
}

/* Before it runs libvirt has yet to bind it. */
static void check_driver(struct look *look, int device, const char *where)
{
	char driver[NAME_MAX + 1] = "";

	if (!look->running)
		return;
	read_driver(device, driver);
	if (!is_vfio(device, driver))
		clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
			 "has the driver %s, not vfio-pci, while its domain "
			 "runs: stop the domain",
			 *driver ? driver : "none");
}

/* Who has the physical function rules over all that goes through the others. */
static void check_functions(struct look *look, int device, const char *where)
{
	char number[WORD_SIZE];
	int r = read_word(device, "sriov_numvfs", number);

	if (r == -ENOENT || (r == 0 && strcmp(number, "0") == 0))
		return;
	clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
		 "has virtual functions (%s), which others use: write 0 to its "
		 "sriov_numvfs",
		 r == 0 ? number : "?");
}

static void check_device(struct look *look, const char *name)
{
	char path[sizeof("bus/pci/devices/") + ADDRESS_SIZE];
	char where[WHERE_SIZE];
	CLO_AUTO_FD int device = -1;

	(void)snprintf(path, sizeof(path), "bus/pci/devices/%s", name);
	(void)snprintf(where, sizeof(where), "device %s", name);
	device = openat(look->sys, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (device < 0) {
		clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
			 "is not on this host: correct its <address>");
		return;
	}
	check_group(look, device, where);
	check_driver(look, device, where);
	check_functions(look, device, where);
}

/* What a word gives that parameter, from its "=" on; NULL: it is another's. */
static const char *value_of(const char *word, const char *parameter)
{
	for (; *parameter; word++, parameter++)
		if ((*word == '-' ? '_' : *word) != *parameter)
			return NULL;
	return !*word || strchr("=" SPACE, *word) ? word : NULL;
}

/* As the kernel reads a boolean. */
static bool is_off(const char *value)
{
	return value[0] == '=' && value[1] &&
	       (strchr("0nNfF", value[1]) ||
		strncasecmp(value + 1, "of", 2) == 0);
}

static bool is_set(const char *cmdline, const char *parameter)
{
	for (const char *word = cmdline + strspn(cmdline, SPACE); *word;
	     word += strspn(word, SPACE)) {
		const char *value = value_of(word, parameter);

		if (value && !is_off(value))
			return true;
		word += strcspn(word, SPACE);
	}
	return false;
}

/* A module that is not loaded will have what the command line says. */
static bool is_on(const struct look *look, const char *cmdline,
		  const char *module, const char *parameter)
{
	char word[WORD_SIZE];
	char name[128];
	int r;

	(void)snprintf(name, sizeof(name), "module/%s/parameters/%s", module,
		       parameter);
	r = read_word(look->sys, name, word);
	if (r != -ENOENT)
		return r < 0 || strcmp(word, "N") != 0;
	(void)snprintf(name, sizeof(name), "%s.%s", module, parameter);
	return is_set(cmdline, name);
}

static void check_modules(struct look *look, const char *cmdline,
			  const char *where)
{
	static const struct {
		const char *module, *parameter, *why;
	} cases[] = {
		{"vfio", "enable_unsafe_noiommu_mode",
		 "devices are given without an IOMMU"},
		{"vfio_iommu_type1", "allow_unsafe_interrupts",
		 "a device can forge interrupts of the host"},
		{"iommufd", "allow_unsafe_interrupts",
		 "a device can forge interrupts of the host"},
	};

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		if (is_on(look, cmdline, cases[i].module, cases[i].parameter))
			clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
				 "is given by a host with %s of module %s on: "
				 "%s: set it to N",
				 cases[i].parameter, cases[i].module,
				 cases[i].why);
}

/* What holds for all devices is told of the first. */
static void check_host(struct look *look, const char *name)
{
	CLO_AUTO_MEM char *cmdline = NULL;
	char value[CLO_VALUE_SIZE] = "";
	char where[WHERE_SIZE];
	size_t len = 0;
	int r;

	(void)snprintf(where, sizeof(where), "device %s", name);
	r = clo_file_read_at(look->proc, "cmdline", CMDLINE_MAX, &cmdline,
			     &len);
	if (r < 0)
		clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
			 "is given by a host whose /proc/cmdline cannot be "
			 "read: remove the device from the domain");
	else if (clo_judge_cmdline_iommu(cmdline, len, value) !=
		 CLO_FACT_VERIFIED)
		clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
			 "is given by a host whose IOMMU is off: boot it "
			 "without %s",
			 value);
	if (r == 0 && is_set(cmdline, "pcie_acs_override"))
		clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
			 "is given by a host whose IOMMU groups are made up: "
			 "boot it without pcie_acs_override");
	check_modules(look, r == 0 ? cmdline : "", where);
}

/* The one of that name: readers differ in which of several they take. */
static const xmlNode *only_child(const xmlNode *parent, const char *name)
{
	const xmlNode *child = clo_xml_child(parent, name);

	for (const xmlNode *node = child ? child->next : NULL; node;
	     node = node->next)
		if (clo_xml_is(node, name))
			return NULL;
	return child && !child->ns ? child : NULL;
}

/* "0x0a", as libvirt writes it, or decimal. */
static bool read_number(const xmlNode *address, const char *name,
			unsigned long most, unsigned int *ret_number)
{
	CLO_AUTO_XML xmlChar *text = clo_xml_attribute(address, name);
	const char *digits = text ? (const char *)text : "";
	unsigned long number;
	char *end;

	if (digits[0] < '0' || digits[0] > '9' || strlen(digits) > 10)
		return false;
	number = strtoul(digits, &end, 0);
	if (*end || number > most)
		return false;
	*ret_number = (unsigned int)number;
	return true;
}

static bool read_address(const xmlNode *device, char ret_name[ADDRESS_SIZE])
{
	const xmlNode *address =
		only_child(only_child(device, "source"), "address");
	unsigned int domain, bus, slot, function;

	if (!read_number(address, "domain", UINT32_MAX, &domain) ||
	    !read_number(address, "bus", 0xff, &bus) ||
	    !read_number(address, "slot", 0x1f, &slot) ||
	    !read_number(address, "function", 7, &function))
		return false;
	(void)snprintf(ret_name, ADDRESS_SIZE, "%04x:%02x:%02x.%x", domain, bus,
		       slot, function);
	return true;
}

/* Where it stands; NULL: no device of the host's PCI. */
static const char *place_of(const xmlNode *node)
{
	if (clo_xml_is(node, "hostdev") &&
	    clo_xml_says(node, "mode", "subsystem") &&
	    clo_xml_says(node, "type", "pci"))
		return "domain/devices/hostdev";
	return clo_xml_is(node, "interface") &&
			       clo_xml_says(node, "type", "hostdev")
		       ? "domain/devices/interface"
		       : NULL;
}

static void collect(struct look *look, const xmlNode *devices)
{
	unsigned int n = 0;

	for (const xmlNode *node = devices ? devices->children : NULL; node;
	     node = node->next) {
		const char *where = place_of(node);

		if (!where)
			continue;
		if (n++ == GIVEN_MAX) {
			clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
				 "is there more than %u times: remove some",
				 GIVEN_MAX);
			return;
		}
		if (read_address(node, look->given[look->n]))
			look->n++;
		else
			clo_tell(&look->tell, CLO_CONTROL_DEVICES, where,
				 "names no PCI device: its <source> needs one "
				 "<address> with domain, bus, slot and "
				 "function");
	}
}

int clo_passthrough_check(int proc, int sys, const char *xml,
			  const struct clo_profile *profile, bool running,
			  struct clo_findings *findings)
{
	struct look look = {
		.proc = proc,
		.sys = sys,
		.running = running,
		.tell = {.findings = findings},
	};
	CLO_AUTO_XML_DOC xmlDocPtr doc = NULL;
	int r;

	r = clo_xml_open(xml, &doc);
	if (r < 0)
		return r;
	if (!(profile->devices & CLO_DEVICE_PASSTHROUGH))
		return 0;
	collect(&look, clo_xml_child(xmlDocGetRootElement(doc), "devices"));
	if (look.n > 0)
		check_host(&look, look.given[0]);
	for (size_t i = 0; i < look.n; i++)
		check_device(&look, look.given[i]);
	return look.tell.r;
}
