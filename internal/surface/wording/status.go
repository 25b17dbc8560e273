package wording

// statusText are the words of the one-screen state of a host.
var statusText = []sentence{
	{"status_name", "{name}", "{name}"},
	{"status_kernel", "Linux {kernel}", "Linux {kernel}"},
	{"status_module_built_in", "nf_conntrack built in", "nf_conntrack intégré au noyau"},
	{"status_module_loaded", "nf_conntrack loaded", "nf_conntrack chargé"},
	{"status_module_absent", "nf_conntrack absent", "nf_conntrack absent"},
	{"status_up", "up {up}", "démarré depuis {up}"},
	{"status_memory", "{available:bytes} of {total:bytes} memory available", "{available:bytes} de mémoire disponibles sur {total:bytes}"},
	{"status_legend", "# held: the kernel cannot reclaim it by itself · + reclaimable · . free", "# retenu\u00a0: le noyau ne peut le reprendre seul · + récupérable · . libre"},
	{"status_refused", "refused: {refused:count} {refused:plural|packet|packets} in {seconds} s ({rate:rate})", "refusés\u00a0: {refused:count} {refused:plural|paquet|paquets} en {seconds}\u00a0s ({rate:rate})"},
	{"status_sources", "top sources: {sources}", "principales sources\u00a0: {sources}"},
	{"status_source", "{address} {count:count} ({share:percent})", "{address} {count:count} ({share:percent})"},
	{"status_settings", "Settings that matter", "Réglages qui comptent"},
	{"status_default", "default", "par défaut"},
	{"status_differs", "default {default}", "par défaut {default}"},
	{"status_missing", "{n:count} {n:plural|source was|sources were} not read; doctor names them.", "{n:count} {n:plural|source n’a pas été lue|sources n’ont pas été lues}\u00a0; doctor les nomme."},
	{"status_next", "What to type next", "Que taper ensuite"},
	{"status_next_root", "the same with what only root may read", "la même chose, avec ce que seul root peut lire"},
	{"status_next_doctor", "the evidence, the cause and the cure", "les indices, la cause et le remède"},
	{"status_next_plan", "what to set, why, and at what cost", "quoi régler, pourquoi, et à quel coût"},
	{"status_next_settings_list", "every setting, and who set it", "chaque réglage, et qui l’a posé"},
	{"status_next_settings_boot", "what the next boot will set", "ce que le prochain démarrage réglera"},
}
