/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard/passthrough.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "planted.h"

/*
 * A host of files, its top like /proc and /sys at once: a GPU of two functions
 * behind a port, all in group 7, and a NIC alone in group 8.
 */
#define GPU "0000:01:00.0"
#define SOUND "0000:01:00.1"
#define PORT "0000:00:01.0"
#define NIC "0000:02:00.0"
#define DEVICE(name) "bus/pci/devices/" name
#define ENTRY(group, name) "kernel/iommu_groups/" group "/devices/" name

#define ADDRESS(bus, function)                                                 \
	"<address domain='0x0000' bus='" bus "' slot='0x00' "                  \
	"function='" function "'/>"
#define GIVE(address)                                                          \
	"<hostdev mode='subsystem' type='pci' managed='yes'><source>" address  \
	"</source></hostdev>"
#define GIVE_GPU GIVE(ADDRESS("0x01", "0x0"))
#define GIVE_SOUND GIVE(ADDRESS("0x01", "0x1"))
#define GIVE_NIC GIVE(ADDRESS("0x02", "0x0"))

struct fake {
	struct planted planted;
	bool running;
	struct clo_findings findings;
};

static void put(const struct fake *fake, const char *name, const char *text)
{
	planted_put(&fake->planted, name, text);
}

static void take(const struct fake *fake, const char *name)
{
	char path[256];

	planted_path(&fake->planted, name, path);
	(void)unlink(path);
}

/* `to` from the top, which is `up` directories above the link. */
static void lead(const struct fake *fake, const char *name, const char *up,
		 const char *to)
{
	char path[256];
	char target[256];

	take(fake, name);
	planted_path(&fake->planted, name, path);
	(void)snprintf(target, sizeof(target), "%s%s", up, to);
	assert_int_equal(symlink(target, path), 0);
}

/* NULL: none. */
static void bind(const struct fake *fake, const char *device,
		 const char *driver)
{
	char name[128];
	char to[128];

	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/driver", device);
	(void)snprintf(to, sizeof(to), "bus/pci/drivers/%s",
		       driver ? driver : "");
	take(fake, name);
	if (driver)
		lead(fake, name, "../../../../", to);
}

static void add(const struct fake *fake, const char *device, const char *group,
		const char *class, const char *driver)
{
	char name[128];
	char to[128];

	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/class", device);
	put(fake, name, class);
	(void)snprintf(name, sizeof(name), "bus/pci/devices/%s/iommu_group",
		       device);
	(void)snprintf(to, sizeof(to), "kernel/iommu_groups/%s", group);
	lead(fake, name, "../../../../", to);
	(void)snprintf(name, sizeof(name), "kernel/iommu_groups/%s/devices/%s",
		       group, device);
	(void)snprintf(to, sizeof(to), "bus/pci/devices/%s", device);
	lead(fake, name, "../../../../", to);
	bind(fake, device, driver);
}

static int set_up(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	planted_begin(&fake->planted);
	put(fake, "cmdline", "ro quiet iommu=pt intel_iommu=on\n");
	put(fake, "module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	put(fake, "module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
	    "N\n");
	add(fake, PORT, "7", "0x060400\n", "pcieport");
	add(fake, GPU, "7", "0x030000\n", "vfio-pci");
	add(fake, SOUND, "7", "0x040300\n", "vfio-pci");
	add(fake, NIC, "8", "0x020000\n", "vfio-pci");
	*state = fake;
	return 0;
}

static int tear_down(void **state)
{
	struct fake *fake = *state;

	planted_end(&fake->planted);
	clo_findings_done(&fake->findings);
	free(fake);
	return 0;
}

static int look(struct fake *fake, const char *devices, unsigned int listed)
{
	const struct clo_profile profile = {.devices = listed};
	char *xml;
	int r;

	clo_findings_done(&fake->findings);
	assert_true(asprintf(&xml,
			     "<domain type='kvm'><devices>%s</devices>"
			     "</domain>",
			     devices) > 0);
	r = clo_passthrough_check(fake->planted.dir, fake->planted.dir, xml,
				  &profile, fake->running, &fake->findings);
	free(xml);
	return r;
}

static void passes(struct fake *fake, const char *devices)
{
	assert_int_equal(look(fake, devices, CLO_DEVICE_PASSTHROUGH), 0);
	if (fake->findings.n > 0)
		fail_msg("%s: %s", fake->findings.list[0].where,
			 fake->findings.list[0].text);
}

/* One finding, which says that. */
static void refused(struct fake *fake, const char *devices, const char *where,
		    const char *text)
{
	const struct clo_finding *finding;

	assert_int_equal(look(fake, devices, CLO_DEVICE_PASSTHROUGH), 0);
	if (fake->findings.n != 1)
		fail_msg("%zu findings, want \"%s\"", fake->findings.n, text);
	finding = fake->findings.list;
	assert_string_equal(finding->control, "sbx.device-surface");
	assert_string_equal(finding->where, where);
	if (!strstr(finding->text, text))
		fail_msg("\"%s\", not \"%s\"", finding->text, text);
}

static void a_whole_group_passes(void **state)
{
	struct fake *fake = *state;

	for (int i = 0; i < 2; i++) {
		fake->running = i;
		passes(fake, "");
		passes(fake, GIVE_NIC);
		passes(fake, GIVE_GPU GIVE_SOUND);
		passes(fake, GIVE_SOUND GIVE_NIC GIVE_GPU);
		passes(fake,
		       GIVE_GPU "<interface type='hostdev'><source>" ADDRESS(
			       "1", "1") "</source></interface>");
	}
}

static void a_part_of_a_group_is_refused(void **state)
{
	static const char *const drivers[] = {"snd_hda_intel", "vfio-pci",
					      "pcieport"};
	struct fake *fake = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(drivers); i++) {
		bind(fake, SOUND, drivers[i]);
		refused(fake, GIVE_GPU, "device " GPU,
			"in IOMMU group 7 with " SOUND);
		assert_non_null(
			strstr(fake->findings.list[0].text, drivers[i]));
		assert_non_null(strstr(fake->findings.list[0].text,
				       "add a <hostdev> for that one"));
	}
	/* always the same one */
	add(fake, "0000:01:00.2", "7", "0x0c0330\n", "xhci_hcd");
	add(fake, "0000:01:00.3", "7", "0x0c8000\n", "nvidia-gpu");
	refused(fake, GIVE_GPU, "device " GPU, "with " SOUND);
	(void)look(fake, GIVE_GPU GIVE_SOUND, CLO_DEVICE_PASSTHROUGH);
	assert_int_equal(fake->findings.n, 2);
	assert_non_null(strstr(fake->findings.list[1].text, "0000:01:00.2"));
}

/* What vfio does not mind in a group. */
static void nobodys_devices_may_be_beside(void **state)
{
	struct fake *fake = *state;

	bind(fake, SOUND, NULL);
	passes(fake, GIVE_GPU);
	bind(fake, SOUND, "pci-stub");
	passes(fake, GIVE_GPU);
	bind(fake, PORT, NULL);
	passes(fake, GIVE_GPU);
	bind(fake, PORT, "shpchp");
	refused(fake, GIVE_GPU, "device " GPU, "with " PORT " (driver shpchp)");
	assert_non_null(strstr(fake->findings.list[0].text, "unbind"));
}

static void what_cannot_be_told_is_refused(void **state)
{
	struct fake *fake = *state;

	bind(fake, SOUND, NULL);
	put(fake, DEVICE(SOUND) "/driver", ""); /* no link */
	refused(fake, GIVE_GPU, "device " GPU, "(driver ?)");
}

static void a_peer_that_is_gone_is_refused(void **state)
{
	struct fake *fake = *state;

	lead(fake, ENTRY("8", "0000:03:00.0"), "../../../../",
	     DEVICE("0000:03:00.0"));
	refused(fake, GIVE_NIC, "device " NIC, "with 0000:03:00.0 (driver ?)");
}

static void without_an_iommu_nothing_is_given(void **state)
{
	struct fake *fake = *state;

	put(fake, "kernel/iommu_groups/8/name", "vfio-noiommu\n");
	refused(fake, GIVE_NIC, "device " NIC, "behind no IOMMU");
	put(fake, "kernel/iommu_groups/8/name", "x\n");
	passes(fake, GIVE_NIC);
	take(fake, DEVICE(NIC) "/iommu_group");
	refused(fake, GIVE_NIC, "device " NIC, "behind no IOMMU");
	lead(fake, DEVICE(NIC) "/iommu_group", "../../../../",
	     "kernel/iommu_groups/9");
	refused(fake, GIVE_NIC, "device " NIC, "group 9, which cannot be read");
	refused(fake, GIVE(ADDRESS("0x09", "0")), "device 0000:09:00.0",
		"not on this host");
}

static void the_command_line_is_heard(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", NULL},
		{"iommu=pt\n", NULL},
		{"x pcie_acs_override_not vfio.enable_unsafe_noiommu_mode=N",
		 NULL},
		{"a=pcie_acs_override", NULL},
		{"pcie_acs_override=downstream,multifunction", "made up"},
		{"quiet  pcie-acs-override=id:1234:5678\n", "made up"},
		{"pcie_acs_override", "made up"},
		{"ro intel_iommu=off\n", "without intel_iommu=off"},
		{"amd_iommu=off", "without amd_iommu=off"},
		{"iommu=off", "without iommu=off"},
	};
	struct fake *fake = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++) {
		put(fake, "cmdline", cases[i].text);
		if (cases[i].why)
			refused(fake, GIVE_NIC, "device " NIC, cases[i].why);
		else
			passes(fake, GIVE_NIC);
		passes(fake, ""); /* who has no device does not care */
	}
	take(fake, "cmdline");
	refused(fake, GIVE_NIC, "device " NIC, "cannot be read");
}

/* Once, however many devices there are. */
static void unsafe_modules_are_told(void **state)
{
	static const char *const names[] = {
		"vfio\0enable_unsafe_noiommu_mode",
		"vfio_iommu_type1\0allow_unsafe_interrupts",
		"iommufd\0allow_unsafe_interrupts",
	};
	struct fake *fake = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(names); i++) {
		const char *parameter = names[i] + strlen(names[i]) + 1;
		char text[128];
		char name[128];

		(void)snprintf(name, sizeof(name), "module/%s/parameters/%s",
			       names[i], parameter);
		put(fake, name, "Y\n");
		(void)snprintf(text, sizeof(text), "with %s of module %s on",
			       parameter, names[i]);
		refused(fake, GIVE_NIC GIVE_GPU GIVE_SOUND, "device " NIC,
			text);
		/* it is off, whatever was wanted at boot */
		put(fake, name, "N\n");
		(void)snprintf(text, sizeof(text), "%s.%s=1", names[i],
			       parameter);
		put(fake, "cmdline", text);
		passes(fake, GIVE_NIC);
		take(fake, name);
		refused(fake, GIVE_NIC, "device " NIC, parameter);
		(void)snprintf(text, sizeof(text), "%s.%s", names[i],
			       parameter);
		put(fake, "cmdline", text);
		refused(fake, GIVE_NIC, "device " NIC, parameter);
		(void)snprintf(text, sizeof(text), "%s.%s=off", names[i],
			       parameter);
		put(fake, "cmdline", text);
		passes(fake, GIVE_NIC);
	}
}

static void a_running_domain_has_drivers_of_vfio(void **state)
{
	struct fake *fake = *state;

	bind(fake, NIC, "e1000e");
	passes(fake, GIVE_NIC); /* libvirt will bind it */
	fake->running = true;
	refused(fake, GIVE_NIC, "device " NIC, "driver e1000e, not vfio-pci");
	bind(fake, NIC, NULL);
	refused(fake, GIVE_NIC, "device " NIC, "driver none");
	bind(fake, NIC, "mlx5_vfio_pci");
	put(fake, DEVICE(NIC) "/vfio-dev/vfio0/dev", "511:0\n");
	passes(fake, GIVE_NIC);
}

static void a_physical_function_goes_alone(void **state)
{
	struct fake *fake = *state;

	put(fake, DEVICE(NIC) "/sriov_numvfs", "0\n");
	passes(fake, GIVE_NIC);
	put(fake, DEVICE(NIC) "/sriov_numvfs", "4\n");
	refused(fake, GIVE_NIC, "device " NIC, "virtual functions (4)");
	add(fake, "0000:02:10.0", "12", "0x020000\n", "vfio-pci");
	passes(fake, GIVE("<address domain='0' bus='2' slot='16' "
			  "function='0'/>")); /* one of those */
	put(fake, DEVICE(NIC) "/sriov_numvfs", "\n");
	refused(fake, GIVE_NIC, "device " NIC, "virtual functions");
}

static void malformed_addresses_are_told(void **state)
{
#define BAD(domain, bus, slot, function)                                       \
	GIVE("<address domain='" domain "' bus='" bus "' slot='" slot          \
	     "' function='" function "'/>")
	static const char *const cases[] = {
		"<hostdev mode='subsystem' type='pci'/>",
		GIVE(""),
		GIVE("<address/>"),
		GIVE("<address domain='0' bus='2' slot='0'/>"),
		GIVE(ADDRESS("0x02", "0") ADDRESS("0x01", "0")),
		GIVE("<x:address xmlns:x='urn:x' domain='0' bus='2' slot='0' "
		     "function='0'/>"),
		"<hostdev mode='subsystem' type='pci'>"
		"<source>" ADDRESS(
			"0x02", "0") "</source>"
				     "<source>" ADDRESS(
					     "0x01", "0") "</source></hostdev>",
		BAD("", "2", "0", "0"),
		BAD("0", "0x", "0", "0"),
		BAD("0", "0x100", "0", "0"),
		BAD("0", "2", "32", "0"),
		BAD("0", "2", "0", "8"),
		BAD("0", "-2", "0", "0"),
		BAD("0", "+2", "0", "0"),
		BAD("0", " 2", "0", "0"),
		BAD("0", "2 ", "0", "0"),
		BAD("0", "../..", "0", "0"),
		BAD("0x100000000", "2", "0", "0"),
		BAD("99999999999999999999999999", "2", "0", "0"),
	};
#undef BAD
	struct fake *fake = *state;

	for (size_t i = 0; i < CLO_ARRAY_LEN(cases); i++)
		refused(fake, cases[i], "domain/devices/hostdev",
			"names no PCI device");
	refused(fake, GIVE_NIC "<interface type='hostdev'/>",
		"domain/devices/interface", "names no PCI device");
	refused(fake,
		GIVE("<address domain='0xffffffff' bus='255' slot='31' "
		     "function='7'/>"),
		"device ffffffff:ff:1f.7", "not on this host");
}

static char *repeat(const char *piece, size_t n)
{
	size_t len = strlen(piece);
	char *text = malloc(n * len + 1);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		(void)snprintf(text + i * len, len + 1, "%s", piece);
	return text;
}

static void no_number_of_devices_is_too_much(void **state)
{
	struct fake *fake = *state;
	char *text = repeat(GIVE_NIC, 64);

	passes(fake, text);
	free(text);
	text = repeat(GIVE_NIC, 164);
	refused(fake, text, "domain/devices/hostdev", "more than 64 times");
	free(text);
}

/* Others are refused where the XML is. */
static void only_listed_devices_are_looked_at(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(look(fake, GIVE_GPU, CLO_DEVICE_USB), 0);
	assert_int_equal(fake->findings.n, 0);
	passes(fake, "<hostdev mode='subsystem' type='usb'/>"
		     "<interface type='bridge'/>");
	assert_int_equal(look(fake, "<", CLO_DEVICE_PASSTHROUGH), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_whole_group_passes),
		TEST(a_part_of_a_group_is_refused),
		TEST(nobodys_devices_may_be_beside),
		TEST(what_cannot_be_told_is_refused),
		TEST(a_peer_that_is_gone_is_refused),
		TEST(without_an_iommu_nothing_is_given),
		TEST(the_command_line_is_heard),
		TEST(unsafe_modules_are_told),
		TEST(a_running_domain_has_drivers_of_vfio),
		TEST(a_physical_function_goes_alone),
		TEST(malformed_addresses_are_told),
		TEST(no_number_of_devices_is_too_much),
		TEST(only_listed_devices_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
