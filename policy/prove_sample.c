/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy/parse.h"
#include "policy/prove_selftest.h"

/*
 * A small policy with a place for every plant: two tenants of different levels,
 * environments that meet and that do not, two rules between the same groups, a
 * node, services at home, addresses outside at home and abroad, a multicast
 * group, a DHCP server.
 */
/* clang-format off */
#define HEAD(kind, name) \
	"{\"apiVersion\":\"cloison/v1\",\"kind\":\"" kind \
	"\",\"name\":\"" name "\","
#define SEGMENT(name, net4, net6, more) \
	"{\"name\":\"" name "\",\"cidrs\":[\"" net4 "\",\"" net6 "\"]" more "}"
#define GROUP(name) "{\"group\":\"" name "\"}"
#define CIDR(net) "{\"cidr\":\"" net "\"}"
#define RULE(name, from, to, ports) \
	"{\"name\":\"" name "\",\"from\":" from ",\"to\":" to \
	",\"ports\":[" ports "]}"
#define WORKLOAD(name, tenant, environment, mac, segment, addresses, groups) \
	HEAD("Workload", name) \
	"\"domain\":\"" name "\",\"tenant\":\"" tenant \
	"\",\"environment\":\"" environment \
	"\",\"interfaces\":[{\"mac\":\"52:54:00:00:00:" mac \
	"\",\"segment\":\"" segment "\",\"addresses\":[" addresses \
	"],\"groups\":[" groups "]}]}"

static const char node[] = HEAD("Node", "sample")
	"\"bridges\":[\"br0\"],"
	"\"addresses\":[\"192.0.2.1\",\"192.0.2.2\"],"
	"\"nationalPrefixes\":[\"196.200.0.0/16\",\"203.0.113.0/24\"],"
	"\"services\":["
	"{\"name\":\"dhcp\",\"kind\":\"node\","
	"\"addresses\":[\"192.0.2.1\"],\"ports\":[\"udp/67\"]},"
	"{\"name\":\"dns\",\"kind\":\"provider\","
	"\"addresses\":[\"203.0.113.53\"],\"ports\":[\"udp/53\"]}]}";

static const char acme[] = HEAD("Tenant", "acme")
	"\"qualification\":2,\"allowTestDevelopment\":true,"
	"\"services\":[\"dhcp\",\"dns\"],\"environments\":{"
	"\"production\":{\"segments\":["
	SEGMENT("front", "10.0.0.0/24", "fd00:1::/64",
		",\"multicast\":[\"239.1.2.3\"]") ","
	SEGMENT("back", "10.0.1.0/24", "fd00:2::/64", "")
	"],\"groups\":[\"web\",\"db\"],\"rules\":["
	RULE("sql", GROUP("web"), GROUP("db"), "\"tcp/5432\",\"icmp\"") ","
	RULE("ops", GROUP("web"), GROUP("db"), "\"tcp/22\"") ","
	RULE("home", GROUP("web"), CIDR("196.200.7.0/24"), "\"tcp/443\"") ","
	RULE("public", CIDR("198.51.100.0/24"), GROUP("web"),
	     "\"tcp/80-90\"") ","
	"{\"name\":\"names\",\"from\":" GROUP("web")
	",\"to\":{\"service\":\"dns\"}}]},"
	"\"test\":{\"segments\":["
	SEGMENT("lab", "10.1.0.0/24", "fd00:3::/64", "")
	"],\"groups\":[\"web\"],\"rules\":["
	RULE("try", GROUP("web"),
	     "{\"group\":\"bench\",\"environment\":\"development\"}",
	     "\"tcp/22\"") "]},"
	"\"development\":{\"segments\":["
	SEGMENT("desk", "10.2.0.0/24", "fd00:4::/64", "")
	"],\"groups\":[\"bench\"],\"rules\":[]}}}";

static const char bolt[] = HEAD("Tenant", "bolt")
	"\"qualification\":1,\"services\":[\"dhcp\"],\"environments\":{"
	"\"production\":{\"segments\":["
	SEGMENT("front", "10.0.0.0/24", "fd00:1::/64", "")
	"],\"groups\":[\"web\"],\"rules\":["
	RULE("out", GROUP("web"), CIDR("198.51.100.0/24"), "\"tcp/443\"")
	"]},\"test\":{\"segments\":["
	SEGMENT("lab", "10.1.0.0/24", "fd00:3::/64", "")
	"],\"groups\":[\"web\"],\"rules\":[]}}}";

static const char workloads[] = "["
	WORKLOAD("a1", "acme", "production", "01", "front",
		 "\"10.0.0.1\",\"fd00:1::1\"", "\"web\"") ","
	WORKLOAD("a2", "acme", "production", "02", "back",
		 "\"10.0.1.1\",\"fd00:2::1\"", "\"db\"") ","
	WORKLOAD("a3", "acme", "test", "03", "lab",
		 "\"10.1.0.1\",\"fd00:3::1\"", "\"web\"") ","
	WORKLOAD("a4", "acme", "development", "04", "desk",
		 "\"10.2.0.1\",\"fd00:4::1\"", "\"bench\"") ","
	WORKLOAD("b1", "bolt", "production", "05", "front",
		 "\"10.0.0.9\",\"fd00:1::9\"", "\"web\"") ","
	WORKLOAD("b2", "bolt", "test", "06", "lab",
		 "\"10.1.0.9\",\"fd00:3::9\"", "\"web\"") "]";

/* clang-format on */

int clo_selftest_sample(struct clo_policy **ret_policy,
			struct clo_compiled **ret_compiled)
{
	const struct clo_document documents[] = {
		{"node", node, strlen(node)},
		{"acme", acme, strlen(acme)},
		{"bolt", bolt, strlen(bolt)},
		{"workloads", workloads, strlen(workloads)},
	};
	CLO_AUTO(clo_policy) struct clo_policy *policy = NULL;
	CLO_AUTO(clo_compiled) struct clo_compiled *compiled = NULL;
	CLO_AUTO(clo_flaws) struct clo_flaws *flaws = NULL;
	int r = clo_flaws_new(&flaws);

	if (r == 0)
		r = clo_policy_parse(documents, CLO_ARRAY_LEN(documents), 0,
				     &policy, flaws);
	if (r == 0)
		r = clo_compile(policy, 0, &compiled, flaws);
	if (r < 0)
		return r;

	*ret_policy = CLO_TAKE(policy);
	*ret_compiled = CLO_TAKE(compiled);
	return 0;
}
