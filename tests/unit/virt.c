/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sys/virt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <libvirt/libvirt.h>

#include "check.h"

#define UUID "8b2e1a34-5c6d-4f70-8192-a3b4c5d6e7f8"
#define LABEL "<cloison:workload xmlns:cloison='urn:cloison:workload:v1' "
#define DEADLINE_SECONDS 20

static const char domain_xml[] =
	"<domain type='test' id='7'><name>web-1</name><uuid>" UUID "</uuid>"
	"<metadata>" LABEL "name='acme.production.web-1'/>"
	"<other xmlns='urn:other' name='x'/></metadata>"
	"<devices>"
	"<interface type='bridge'><mac address='52:54:00:aA:bb:01'/>"
	"<source bridge='br0'/><target dev='vnet3'/></interface>"
	"<disk type='file'/>"
	"<interface type='network'><mac address='52:54:00:aa:bb:02'/>"
	"<source network='default'/></interface>"
	"</devices></domain>";

static void domain_free(struct clo_virt_domain *domain)
{
	free(domain->name);
	free(domain->workload);
	free(domain->nics);
}

static void test_parse(void **state)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0xaa, 0xbb, 1};
	struct clo_virt_domain domain;
	struct clo_virt_domain again;

	(void)state;
	assert_int_equal(clo_virt_parse(domain_xml, &domain), 0);
	assert_string_equal(domain.name, "web-1");
	assert_string_equal(domain.uuid, UUID);
	assert_int_equal(domain.id, 7);
	assert_string_equal(domain.workload, "acme.production.web-1");
	assert_int_equal(domain.n_nics, 2);
	assert_memory_equal(domain.nics[0].mac, mac, sizeof(mac));
	assert_string_equal(domain.nics[0].device, "vnet3");
	assert_string_equal(domain.nics[0].type, "bridge");
	assert_string_equal(domain.nics[0].source, "br0");
	assert_string_equal(domain.nics[1].device, "");
	assert_string_equal(domain.nics[1].type, "network");
	assert_string_equal(domain.nics[1].source, "");

	assert_int_equal(clo_virt_parse(domain_xml, &again), 0);
	assert_memory_equal(domain.xml_digest, again.xml_digest, 32);
	domain_free(&again);
	domain_free(&domain);
}

static void test_parse_bare(void **state)
{
	struct clo_virt_domain domain;

	(void)state;
	assert_int_equal(
		clo_virt_parse("<domain><name>n</name><uuid>" UUID
			       "</uuid><metadata><workload name='not ours'/>"
			       "</metadata></domain>",
			       &domain),
		0);
	assert_int_equal(domain.id, -1);
	assert_null(domain.workload);
	assert_int_equal(domain.n_nics, 0);
	domain_free(&domain);
}

#define HEAD "<domain id='1'><name>n</name><uuid>" UUID "</uuid>"
#define NIC(inner) HEAD "<devices><interface" inner "</interface></devices>"
#define MAC "<mac address='52:54:00:00:00:01'/>"
#define X16 "xxxxxxxxxxxxxxxx"
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16

static void test_parse_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		"no XML",
		"<domain>",
		"<network/>",
		"<domain id='1'><uuid>" UUID "</uuid></domain>",
		"<domain id='1'><name/><uuid>" UUID "</uuid></domain>",
		"<domain id='1'><name>n</name></domain>",
		"<domain id='1'><name>n</name><uuid>" UUID "0</uuid></domain>",
		"<domain id='1'><name>n</name><uuid>8b2e1a34-5c6d-4f70-8192-"
		"a3b4c5d6e7fX</uuid></domain>",
		"<domain id='-1'><name>n</name><uuid>" UUID "</uuid></domain>",
		"<domain id='1x'><name>n</name><uuid>" UUID "</uuid></domain>",
		"<domain id='99999999999'><name>n</name><uuid>" UUID
		"</uuid></domain>",
		"<domain id='1'><name>" X256 "</name><uuid>" UUID
		"</uuid></domain>",
		NIC(" type='bridge'>") "</domain>",
		NIC(">" MAC) "</domain>",
		NIC(" type='bridge'><mac/>") "</domain>",
		NIC(" type='bridge'><mac address='52:54:00:00:00:0'/>") "</domain>",
		NIC(" type='bridge'><mac address='52-54-00-00-00-01'/>") "</domain>",
		NIC(" type='" X16 "'>" MAC) "</domain>",
		NIC(" type='bridge'><target dev='" X16 "'/>" MAC) "</domain>",
		NIC(" type='bridge'><source bridge='" X16 X16
		    "'/>" MAC) "</domain>",
		HEAD "<metadata>" LABEL "/></metadata></domain>",
		HEAD "<metadata>" LABEL "name=''/></metadata></domain>",
		HEAD "<metadata>" LABEL "name='" X256 "'/></metadata></domain>",
		HEAD "<metadata>" LABEL "name='a'/>" LABEL
		     "name='b'/></metadata></domain>",
	};
	struct clo_virt_domain domain;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (clo_virt_parse(texts[i], &domain) != -EBADMSG)
			fail_msg("accepted: %s", texts[i]);
}

static void test_parse_refuses_entities(void **state)
{
	static const char bomb[] =
		"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>"
		"<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
		"<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
		"<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>]>"
		"<domain id='1'><name a='&d;'>&d;</name><uuid>" UUID
		"</uuid></domain>";
	static const char file[] =
		"<!DOCTYPE d [<!ENTITY f SYSTEM 'file:///etc/hostname'>]>"
		"<domain id='1'><name>&f;</name><uuid>" UUID "</uuid></domain>";
	static const char harmless[] =
		"<!DOCTYPE domain SYSTEM 'domain.dtd'><domain id='1'>"
		"<name>n</name><uuid>" UUID "</uuid></domain>";
	struct clo_virt_domain domain;

	(void)state;
	assert_int_equal(clo_virt_parse(bomb, &domain), -EBADMSG);
	assert_int_equal(clo_virt_parse(file, &domain), -EBADMSG);
	assert_int_equal(clo_virt_parse(harmless, &domain), -EBADMSG);
}

static void test_parse_refuses_too_much(void **state)
{
	static const char nic[] = "<interface type='user'>" MAC "</interface>";
	const size_t size = 5U << 20;
	struct clo_virt_domain domain;
	char *text = malloc(size + 1);
	size_t n;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', size);
	memcpy(text, domain_xml, sizeof(domain_xml) - 1);
	text[size] = '\0';
	assert_int_equal(clo_virt_parse(text, &domain), -E2BIG);

	n = (size_t)sprintf(text, "%s", HEAD "<devices>");
	for (size_t i = 0; i < 1025; i++)
		n += (size_t)sprintf(text + n, "%s", nic);
	(void)sprintf(text + n, "</devices></domain>");
	assert_int_equal(clo_virt_parse(text, &domain), -E2BIG);
	free(text);
}

struct fixture {
	sd_event *event;
	struct clo_virt *virt;
	unsigned int changes;
};

static void on_change(void *userdata)
{
	struct fixture *f = userdata;

	f->changes++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f && sd_event_new(&f->event) >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	clo_virt_free(f->virt);
	sd_event_unref(f->event);
	free(f);
	return 0;
}

/* Until a list, newer than the one before, says so. */
static void await_count(struct fixture *f, const char *name, size_t wanted)
{
	time_t deadline = time(NULL) + DEADLINE_SECONDS;
	struct clo_virt_domain *domains;
	size_t found = SIZE_MAX;
	size_t n;
	int r;

	while (found != wanted) {
		assert_true(time(NULL) < deadline);
		assert_true(sd_event_run(f->event, 1000000) >= 0);
		r = clo_virt_take(f->virt, &domains, &n);
		if (r == -EAGAIN || r == -ENOTCONN)
			continue;
		assert_int_equal(r, 0);
		found = 0;
		for (size_t i = 0; i < n; i++) {
			found += strcmp(domains[i].name, name) == 0;
			assert_non_null(strstr(domains[i].xml, "<domain"));
			if (i > 0)
				assert_true(strcmp(domains[i - 1].uuid,
						   domains[i].uuid) < 0);
		}
		clo_virt_domains_free(domains, n);
	}
}

/* libvirt's own driver: the state is one for the whole process. */
static void test_list_and_events(void **state)
{
	static const char started[] =
		"<domain type='test'><name>started</name><memory>4096</memory>"
		"<uuid>" UUID "</uuid><os><type>hvm</type></os>"
		"<metadata>" LABEL "name='w'/></metadata>"
		"<devices><interface type='bridge'>" MAC
		"<source bridge='br0'/></interface></devices></domain>";
	struct clo_virt_domain *domains;
	struct fixture *f = *state;
	virConnectPtr writer;
	virDomainPtr domain;
	size_t n;

	assert_int_equal(clo_virt_new(f->event, "test:///default", on_change, f,
				      &f->virt),
			 0);
	assert_false(clo_virt_known(f->virt));
	await_count(f, "test", 1);
	assert_true(clo_virt_known(f->virt));
	assert_int_equal(clo_virt_take(f->virt, &domains, &n), -EAGAIN);
	clo_virt_refresh(f->virt);
	await_count(f, "test", 1);

	writer = virConnectOpen("test:///default");
	assert_non_null(writer);
	domain = virDomainCreateXML(writer, started, 0);
	assert_non_null(domain);
	await_count(f, "started", 1);
	assert_int_equal(virDomainDestroy(domain), 0);
	await_count(f, "started", 0);
	(void)virDomainFree(domain);
	(void)virConnectClose(writer);
}

static void test_unreachable(void **state)
{
	struct clo_virt_domain *domains = NULL;
	struct fixture *f = *state;
	size_t n = 77;

	assert_int_equal(clo_virt_new(f->event, "test:///does/not/exist",
				      on_change, f, &f->virt),
			 0);
	/* Through the first failure and into the second attempt. */
	for (int i = 0; i < 3; i++)
		assert_true(sd_event_run(f->event, 1500000) >= 0);
	assert_false(clo_virt_known(f->virt));
	assert_int_equal(clo_virt_take(f->virt, &domains, &n), -ENOTCONN);
	assert_null(domains);
	assert_int_equal(n, 77);
	assert_int_equal(f->changes, 0);
}

static int listen_on(char path[64])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(path, 64, "/tmp/cloison-virt-%d", (int)getpid());
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* A libvirtd that accepts and says nothing must not hold the loop up. */
static void test_hung_at_connect(void **state)
{
	struct fixture *f = *state;
	time_t start = time(NULL);
	char uri[128];
	char path[64];
	int listener;
	int peer;

	listener = listen_on(path);
	(void)snprintf(uri, sizeof(uri), "qemu+unix:///system?socket=%s", path);
	assert_int_equal(clo_virt_new(f->event, uri, on_change, f, &f->virt),
			 0);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	assert_true(sd_event_run(f->event, 100000) >= 0);
	assert_false(clo_virt_known(f->virt));
	clo_virt_free(f->virt);
	f->virt = NULL;
	assert_true(time(NULL) - start < 10);
	(void)close(peer);
	(void)close(listener);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_bare),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_parse_refuses_entities),
		cmocka_unit_test(test_parse_refuses_too_much),
		cmocka_unit_test_setup_teardown(test_list_and_events, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_unreachable, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_hung_at_connect, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
