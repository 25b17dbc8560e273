package wording

// hostText say what would make a source readable that was missing.
var hostText = []sentence{
	{"no_procfs_counters", "this kernel keeps no counters in /proc; a live run as root asks ctnetlink", "ce noyau ne tient pas de compteurs dans /proc\u00a0; en root, sur la machine même, ctnetlink les donne"},
	{"table_inconsistent", "the table changed its size while it was read; run it again", "la table a changé de taille pendant la lecture\u00a0; à refaire"},
}
