/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/explain_trace_impl.h"

int clo_trace_bad(char reterr_text[160], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(reterr_text, 160, fmt, args);
	va_end(args);
	return -EINVAL;
}

static bool find_endpoint(const struct clo_workload_doc *workload,
			  const char *name, struct clo_trace_end *end)
{
	for (size_t i = 0; i < workload->n_interfaces; i++) {
		if (strcmp(workload->interfaces[i].name, name) != 0)
			continue;
		end->workload = workload;
		end->interface = &workload->interfaces[i];
		return true;
	}
	return false;
}

int clo_trace_find(const struct clo_policy *policy, const char *name,
		   struct clo_trace_end *end, char reterr_text[160])
{
	size_t n_found = 0;

	for (size_t w = 0; w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		if (find_endpoint(workload, name, end))
			return 0;
		if (!clo_workload_is_called(workload, name))
			continue;
		n_found++;
		end->workload = workload;
		end->interface = workload->interfaces;
	}

	if (n_found > 1)
		return clo_trace_bad(reterr_text,
				     "%.60s: %zu workloads have this name; say "
				     "tenant/environment/workload",
				     name, n_found);
	if (n_found == 0)
		return clo_trace_bad(reterr_text,
				     "%.60s: neither an endpoint, nor a "
				     "workload, nor an address",
				     name);
	if (end->workload->n_interfaces == 0)
		return clo_trace_bad(reterr_text,
				     "%.60s: the workload has no interface",
				     name);
	return 0;
}

const struct clo_interface_doc *
clo_trace_endpoint(const struct clo_policy *policy, uint32_t endpoint,
		   const struct clo_workload_doc **ret_workload)
{
	for (size_t w = 0; endpoint && w < policy->n_workloads; w++) {
		const struct clo_workload_doc *workload = &policy->workloads[w];

		for (size_t i = 0; i < workload->n_interfaces; i++) {
			if (workload->interfaces[i].endpoint != endpoint)
				continue;
			if (ret_workload)
				*ret_workload = workload;
			return &workload->interfaces[i];
		}
	}
	return NULL;
}

/* As the agent makes it, but for limits: nobody has used them. */
static void tap_port(const struct clo_interface_doc *interface,
		     uint32_t ifindex, struct clo_trace_port *ret)
{
	*ret = (struct clo_trace_port){
		.ifindex = ifindex,
		.port = {.endpoint = interface->endpoint,
			 .space = interface->segment->space,
			 .segment = interface->segment->id,
			 .kind = CLO_PORT_TAP,
			 .mode = (uint8_t)interface->mode,
			 .flags = interface->segment->answer ? CLO_PORT_ANSWER
							     : 0},
	};
	memcpy(ret->port.mac, interface->mac, sizeof(ret->port.mac));
	if (interface->device)
		(void)snprintf(ret->name, sizeof(ret->name), "%s",
			       interface->device);
}

static void uplink_port(const struct clo_uplink_doc *uplink, uint32_t ifindex,
			struct clo_trace_port *ret)
{
	*ret = (struct clo_trace_port){.ifindex = ifindex};
	(void)snprintf(ret->name, sizeof(ret->name), "%s", uplink->interface);
	if (!uplink->segment)
		return; /* carries nothing: it has no port */
	ret->port.space = uplink->segment->space;
	ret->port.segment = uplink->segment->id;
	ret->port.kind = CLO_PORT_UPLINK;
}

int clo_trace_ports_make(const struct clo_policy *policy,
			 struct clo_trace_port **ret_ports, size_t *ret_n)
{
	size_t n = policy->node.n_uplinks, at = 0;
	struct clo_trace_port *ports;

	for (size_t w = 0; w < policy->n_workloads; w++)
		n += policy->workloads[w].n_interfaces;
	ports = calloc(n + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;

	for (size_t w = 0; w < policy->n_workloads; w++)
		for (size_t i = 0; i < policy->workloads[w].n_interfaces;
		     i++, at++)
			tap_port(&policy->workloads[w].interfaces[i],
				 (uint32_t)at + 1, &ports[at]);
	for (size_t u = 0; u < policy->node.n_uplinks; u++, at++)
		uplink_port(&policy->node.uplinks[u], (uint32_t)at + 1,
			    &ports[at]);

	*ret_ports = ports;
	*ret_n = n;
	return 0;
}

struct clo_trace_port *clo_trace_port_at(struct clo_tracer *tracer,
					 uint32_t ifindex)
{
	if (ifindex == CLO_TRACE_ELSEWHERE)
		return &tracer->elsewhere;
	for (size_t i = 0; i < tracer->n_ports; i++)
		if (tracer->ports[i].ifindex == ifindex)
			return &tracer->ports[i];
	return NULL;
}

struct clo_trace_port *
clo_trace_port_of(struct clo_tracer *tracer,
		  const struct clo_interface_doc *interface)
{
	assert(interface);
	for (size_t i = 0; i < tracer->n_ports; i++)
		if (tracer->ports[i].port.kind == CLO_PORT_TAP &&
		    tracer->ports[i].port.endpoint == interface->endpoint)
			return &tracer->ports[i];
	tap_port(interface, CLO_TRACE_ELSEWHERE, &tracer->elsewhere);
	return &tracer->elsewhere;
}

int clo_trace_port_named(struct clo_tracer *tracer, const char *in,
			 struct clo_trace_port **ret_port,
			 char reterr_text[160])
{
	struct clo_trace_end end = {0};

	for (size_t i = 0; i < tracer->n_ports; i++)
		if (in[0] && strcmp(tracer->ports[i].name, in) == 0) {
			*ret_port = &tracer->ports[i];
			return 0;
		}
	if (clo_trace_find(tracer->compiled->policy, in, &end, reterr_text) < 0)
		return strstr(reterr_text, "neither")
			       ? clo_trace_bad(reterr_text,
					       "%.60s: neither an endpoint, "
					       "nor a workload, nor a guarded "
					       "interface",
					       in)
			       : -EINVAL;
	*ret_port = clo_trace_port_of(tracer, end.interface);
	return 0;
}

const char *clo_trace_port_label(const struct clo_tracer *tracer,
				 const struct clo_trace_port *port,
				 char buffer[64])
{
	const struct clo_interface_doc *interface = clo_trace_endpoint(
		tracer->compiled->policy, port->port.endpoint, NULL);

	if (interface)
		return interface->name;
	(void)snprintf(buffer, 64, "interface %u%s%s", port->ifindex,
		       port->name[0] ? " " : "", port->name);
	return buffer;
}
