package settings

const (
	nf      = "net.netfilter.nf_conntrack_"
	ip      = "net.ipv4.netfilter.ip_conntrack_"
	maxInt  = 1<<31 - 1
	longest = 2147483 // seconds that fit an int of ticks at HZ=1000, the strictest
)

// always is a default that every kernel shares.
func always(v int64) []since { return []since{{0, v}} }

// modern is a key of today's family that every kernel has.
func modern(name string) Key { return Key{Name: nf + name, Family: Modern} }

// legacy is a key of the old family, gone with CONFIG_NF_CONNTRACK_PROC_COMPAT in 4.9.
func legacy(name string) Key { return Key{Name: ip + name, Family: Legacy, Until: V(4, 9)} }

func both(name string) []Key { return []Key{modern(name), legacy(name)} }

// seconds makes a timeout of both families.
func seconds(name string, keys []Key, defaults []since) Setting {
	return Setting{Name: name, Keys: keys, Unit: Seconds, Scope: Namespace, Effect: EffectNextPacket,
		Advice: "advice_timeout", kind: kindSeconds, defaults: defaults, Min: 1, Max: longest}
}

// boolean makes a switch.
func boolean(name string, keys []Key, defaults []since, e Effect) Setting {
	return Setting{Name: name, Keys: keys, Unit: Bool, Scope: Namespace, Effect: e,
		Advice: "advice_" + name, kind: kindBool, defaults: defaults, Min: 0, Max: 1}
}

func sizeSettings() []Setting {
	return []Setting{
		{Name: "max", Unit: Count, Scope: Machine, Effect: EffectNewFlows, Advice: "advice_max", kind: kindMax, Min: 1, Max: maxInt,
			Keys: []Key{modern("max"), {Name: "net.nf_conntrack_max", Family: Modern, InitOnly: true}, legacy("max"),
				{Name: "net.ipv4.ip_conntrack_max", Family: Legacy, Until: V(4, 9)}}},
		{Name: "count", Unit: Count, Scope: Namespace, ReadOnly: true, Effect: EffectNone, Advice: "advice_count", kind: kindReadOnly,
			Keys: both("count")},
		{Name: "buckets", Unit: Count, Scope: Machine, Effect: EffectRehash, Advice: "advice_buckets", kind: kindBuckets, Min: 1, Max: maxInt / 8,
			Keys: []Key{modern("buckets"), legacy("buckets"), {Name: "hashsize", Family: Parameter, InitOnly: true}}},
		{Name: "expect_max", Unit: Count, Scope: Machine, Effect: EffectNewFlows, Advice: "advice_expect_max", kind: kindExpectMax, Min: 1, Max: maxInt,
			Keys: []Key{modern("expect_max")}},
		{Name: "expect_hashsize", Unit: Count, Scope: Machine, Effect: EffectNone, Advice: "advice_expect_hashsize", kind: kindInt, Min: 1, Max: maxInt,
			Keys: []Key{{Name: "expect_hashsize", Family: Parameter, LoadOnly: true, InitOnly: true}}},
	}
}

func switchSettings() []Setting {
	withParameter := func(name, parameter string) []Key {
		return []Key{modern(name), {Name: parameter, Family: Parameter}}
	}
	return []Setting{
		boolean("checksum", both("checksum"), always(1), EffectAtOnce),
		{Name: "log_invalid", Keys: both("log_invalid"), Unit: Enum, Scope: Namespace, Effect: EffectAtOnce, Advice: "advice_log_invalid",
			kind: kindByte, defaults: always(0), Min: 0, Max: 255},
		boolean("acct", withParameter("acct", "acct"), always(0), EffectNewFlows),
		{Name: "events", Keys: []Key{modern("events")}, Unit: Enum, Scope: Namespace, Effect: EffectNewFlows, Advice: "advice_events",
			kind: kindEvents, defaults: []since{{0, 1}, {V(5, 19), 2}}, Min: 0, Max: 2},
		boolean("timestamp", []Key{{Name: nf + "timestamp", Family: Modern, Since: V(3, 0)}, {Name: "tstamp", Family: Parameter, Since: V(3, 0)}}, always(0), EffectNewFlows),
		boolean("helper", []Key{{Name: nf + "helper", Family: Modern, Since: V(3, 5), Until: V(6, 0)},
			{Name: "nf_conntrack_helper", Family: Parameter, Since: V(3, 5), Until: V(6, 0)}}, []since{{0, 1}, {V(4, 7), 0}}, EffectNewFlows),
		boolean("enable_hooks", []Key{{Name: "enable_hooks", Family: Parameter, Since: V(5, 4), LoadOnly: true}}, always(0), EffectNone),
	}
}

func timeoutSettings() []Setting {
	atCreation := func(s Setting) Setting { s.Effect = EffectAtCreation; return s }
	since51 := func(name string) []Key { return []Key{{Name: nf + name, Family: Modern, Since: V(5, 1)}} }
	udplite := func(name string) []Key { return []Key{{Name: nf + name, Family: Modern, Until: V(4, 14)}} }
	return []Setting{
		seconds("generic_timeout", both("generic_timeout"), always(600)),
		seconds("icmp_timeout", both("icmp_timeout"), always(30)),
		seconds("icmpv6_timeout", []Key{modern("icmpv6_timeout")}, always(30)),
		seconds("udp_timeout", both("udp_timeout"), always(30)),
		seconds("udp_timeout_stream", both("udp_timeout_stream"), []since{{0, 180}, {V(5, 0), 120}}),
		seconds("udplite_timeout", udplite("udplite_timeout"), always(30)),
		seconds("udplite_timeout_stream", udplite("udplite_timeout_stream"), always(180)),
		atCreation(seconds("gre_timeout", since51("gre_timeout"), always(30))),
		atCreation(seconds("gre_timeout_stream", since51("gre_timeout_stream"), always(180))),
		seconds("events_retry_timeout", []Key{{Name: nf + "events_retry_timeout", Family: Modern, Until: V(4, 4)}}, always(15)),
		seconds("frag6_timeout", []Key{modern("frag6_timeout")}, always(60)),
		fragBytes("frag6_high_thresh", 4194304),
		fragBytes("frag6_low_thresh", 3145728),
	}
}

func fragBytes(name string, v int64) Setting {
	return Setting{Name: name, Keys: []Key{modern(name)}, Unit: Bytes, Scope: Namespace, Effect: EffectAtOnce,
		Advice: "advice_frag6_thresh", kind: kindLong, defaults: always(v), Min: 0, Max: 1 << 40}
}

func tcpSettings() []Setting {
	var all []Setting
	for _, t := range []struct {
		name    string
		seconds int64
	}{
		{"syn_sent", 120}, {"syn_sent2", 120}, {"syn_recv", 60}, {"established", 432000}, {"fin_wait", 120}, {"close_wait", 60},
		{"last_ack", 30}, {"time_wait", 120}, {"close", 10}, {"max_retrans", 300}, {"unacknowledged", 300},
	} {
		name := "tcp_timeout_" + t.name
		keys := both(name)
		switch t.name {
		case "syn_sent2":
			keys = []Key{legacy(name)}
		case "unacknowledged":
			keys = []Key{modern(name)}
		}
		all = append(all, seconds(name, keys, always(t.seconds)))
	}
	return append(all,
		boolean("tcp_loose", both("tcp_loose"), always(1), EffectNewFlows),
		boolean("tcp_be_liberal", both("tcp_be_liberal"), always(0), EffectAtOnce),
		Setting{Name: "tcp_max_retrans", Keys: both("tcp_max_retrans"), Unit: Count, Scope: Namespace, Effect: EffectNextPacket,
			Advice: "advice_tcp_max_retrans", kind: kindByteSince514, defaults: always(3), Min: 0, Max: 255},
		boolean("tcp_ignore_invalid_rst", []Key{{Name: nf + "tcp_ignore_invalid_rst", Family: Modern, Since: V(5, 14)}}, always(0), EffectAtOnce),
	)
}

func sctpSettings() []Setting {
	const p = "sctp_timeout_"
	var all []Setting
	for _, t := range []struct {
		name     string
		defaults []since
	}{
		{"closed", always(10)}, {"cookie_wait", always(3)}, {"cookie_echoed", always(3)},
		{"established", []since{{0, 432000}, {V(6, 1), 210}}},
		{"shutdown_sent", []since{{0, 0}, {V(6, 1), 3}}}, {"shutdown_recd", []since{{0, 0}, {V(6, 1), 3}}},
		{"shutdown_ack_sent", always(3)},
	} {
		all = append(all, seconds(p+t.name, both(p+t.name), t.defaults))
	}
	return append(all,
		seconds(p+"heartbeat_sent", []Key{{Name: nf + p + "heartbeat_sent", Family: Modern, Since: V(3, 10)}}, always(30)),
		seconds(p+"heartbeat_acked", []Key{{Name: nf + p + "heartbeat_acked", Family: Modern, Since: V(3, 10), Until: V(6, 1)}}, always(210)))
}

func dccpSettings() []Setting {
	key := func(name string) []Key { return []Key{{Name: nf + "dccp_" + name, Family: Modern, Until: V(6, 17)}} }
	var all []Setting
	for _, t := range []struct {
		name    string
		seconds int64
	}{{"request", 240}, {"respond", 480}, {"partopen", 480}, {"open", 43200}, {"closereq", 64}, {"closing", 64}, {"timewait", 240}} {
		all = append(all, seconds("dccp_timeout_"+t.name, key("timeout_"+t.name), always(t.seconds)))
	}
	return append(all, boolean("dccp_loose", key("loose"), always(1), EffectNewFlows))
}

// otherSettings stand beside conntrack's own in net.netfilter: they are shown and never called unknown.
func otherSettings() []Setting {
	other := func(s Setting) Setting { s.Other = true; return s }
	key := func(name string, from Version) []Key {
		return []Key{{Name: "net.netfilter." + name, Family: Modern, Since: from}}
	}
	return []Setting{
		other(seconds("flowtable_tcp_timeout", key("nf_flowtable_tcp_timeout", V(5, 14)), always(30))),
		other(seconds("flowtable_udp_timeout", key("nf_flowtable_udp_timeout", V(5, 14)), always(30))),
		other(boolean("hooks_lwtunnel", key("nf_hooks_lwtunnel", V(5, 15)), always(0), EffectAtOnce)),
		other(boolean("log_all_netns", []Key{{Name: "net.netfilter.nf_log_all_netns", Family: Modern, Since: V(4, 9), InitOnly: true}}, always(0), EffectAtOnce)),
	}
}
