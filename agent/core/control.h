/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control protocol between `cloison` and `cloisond`: a unix stream socket;
 * each message is a 4-byte little-endian length and that many bytes of JSON.
 * One request, one reply, then the next. SO_PEERCRED decides: root may do all;
 * members of the group "cloison" may read (everything but apply, and monitor
 * with capture). The user "cloison-gateway", which answers strangers, may ask
 * for status, key and attest, for a fresh proof every now and then, and nothing
 * else; it has but a few connections. The user "cloison-stream", which listens
 * to the broker, may hand in a bundle every now and then, and nothing else.
 *
 * Request: {"op": name, ...}. Reply: {"ok": true, "result": {...}} or
 * {"ok": false, "error": one line, "exit": exit code for the CLI,
 *  "flaws": [{"file","line","path","text"}], "breaches": [clo_explain_breach],
 *  "unheld": true if only the texts are missing, see below}
 *
 * op        members                      result
 * apply     documents: [{name, text?,    {policy: digest, epoch, endpoints,
 *           sha256?}], one of the two,      identities, classes, rules, proof,
 *           override?: bool, over a         matrix: {digest}, plan, ms: {parse,
 *           bundle that is in force,        compile, prove, load, readback},
 *           approved?: digest of the        verdict}
 *           matrix
 * bundle    envelope: text of a DSSE     {revision, digest, outcome, reason,
 *           envelope (policy_bundle.h)    final: bool}: as in policy-ack/v1;
 *                                         not final: it may be handed in again
 * plan      documents                    {plan, matrix: {digest}, proof,
 *                                         breaches: [...], changed: bool}
 * prove     -                            {verdict, tables: "kernel", readMs,
 *                                         levels: [clo_explain_level]}
 * status    -                            {node, version, bootId, pid, uptime,
 *                                         policy: digest|null,
 *                                         matrix: digest|null, epoch, attach,
 *                                         libvirt: bool, endpoints:
 *                                         {expected, guarded}, undeclared: n,
 *                                         connections, verdict, lastProof,
 *                                         period, statements,
 *                                         modes: {enforce, audit,
 *                                         quarantine}, flows: {live,
 *                                         timedOut, pressure, refused},
 *                                         monitor: {events, clients,
 *                                         capture: bool, flowLog: {enabled,
 *                                         directory, files, bytes, records,
 *                                         lost, errors, error|null}},
 *                                         findings: [{control, result,
 *                                         detail}], drops: [{interface,
 *                                         direction, reason, count}],
 *                                         rules: [{rule, flows, packets}]}
 * matrix    -                            clo_explain_matrix
 * endpoints -                            {endpoints: [{name, tenant,
 *                                         environment, segment, groups: [],
 *                                         mac, addresses: [], identity,
 *                                         interface|null, ifindex|0,
 *                                         guarded: bool, mode|null,
 *                                         connections: {used, limit,
 *                                         pressure, refused}|null}],
 *                                         uplinks: [{interface, ifindex,
 *                                         segment, guarded}],
 *                                         undeclared: [{interface, ifindex,
 *                                         bridge, guarded}]}
 * ask       question: of               what policy/question.h says of it
 *           policy/question.h, within
 *           (seconds), of?, other?,
 *           service?
 * attest    scope?, nonce? (hex, <=128)  {envelope: object}; with a nonce it
 *                                         is new, and only that scope's
 *                                         carries the nonce
 * define    workload, shape: {memory     {workload, left: [{control, where,
 *           (MiB), vcpus, disks?:         text}], xml: a new domain|null}
 *           [{path, format, block?,
 *           readOnly?}], kernel?,
 *           initrd?, cmdline?, loader?,
 *           nvram?, nvramTemplate?, tpm?,
 *           console?, socket?, bridge?,
 *           emulated?}
 * harden    xml: a libvirt domain         {workload, left: [{control, where,
 *                                         text}], xml: as it must be}
 * held      -                            {held: [sha256]}, only for root
 * hook      operation, xml                {}: libvirt's qemu hook
 * key       -                            {pem, id}
 * flows     endpoint?                    {flows: [{from|null, to|null,
 *                                         protocol, source, destination,
 *                                         sourcePort, destinationPort,
 *                                         state, rule|null, ageMs, idleMs,
 *                                         initiator: {packets, bytes},
 *                                         responder}], matched, total}
 * monitor   endpoint?, tenant?, kind?,   {endpoints: how many the filter
 *           reason?, capture?: bool      names|null}, and the connection
 *                                         becomes a stream
 * trace     from, to, proto, dport?,     a trace (explain_trace.h), and
 *           sport?, flags?, family?,     counters: {rule: {flows, packets,
 *           in?                          bytes}|null, drop: {interface,
 *                                         count}|null}, kernel: {agrees:
 *                                         bool|null, text}, which compares
 *                                         with the attached program for root
 *           in, frames: [hex]            {traces: [...]}
 *
 * A document with sha256, 64 lower-case hex digits, stands for the text of that
 * digest in the policy in force, as held lists them; its name is the one sent.
 * If there is none, the refusal is unheld, and the texts are to be sent.
 *
 * Exit codes of the CLI: 0 done; 1 it failed (verify: not authentic); 2 usage;
 * 3 refused, or the verdict is FAILED; 4 inconclusive or stale; 5 the daemon
 * cannot be reached; 6 not permitted.
 */
#define CLO_CONTROL_SOCKET "/run/cloison/control"
#define CLO_CONTROL_MAX (96U << 20) /* bytes of one message */
#define CLO_CONTROL_GROUP "cloison"
#define CLO_GATEWAY_USER "cloison-gateway" /* and its group */
#define CLO_STREAM_USER "cloison-stream"

/* Who asks, by SO_PEERCRED. */
enum clo_caller {
	CLO_CALLER_READER,
	CLO_CALLER_ROOT,
	CLO_CALLER_GATEWAY,
	CLO_CALLER_STREAM,
};

enum clo_exit {
	CLO_EXIT_OK = 0,
	CLO_EXIT_FAILED = 1,
	CLO_EXIT_USAGE = 2,
	CLO_EXIT_REFUSED = 3,
	CLO_EXIT_INCONCLUSIVE = 4,
	CLO_EXIT_UNREACHABLE = 5,
	CLO_EXIT_FORBIDDEN = 6,
};
