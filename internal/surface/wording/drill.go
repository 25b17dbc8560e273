package wording

// drillText are the sentences of ctkeeper drill.
var drillText = []sentence{
	{"drill_step_prepare", "1. two namespaces without a name, joined by a wire; the server's tracks", "1. deux espaces de noms sans nom, reliés par un fil ; celui du serveur suit les connexions"},
	{"drill_step_room", "2. connect while there is room", "2. se connecter tant qu'il y a de la place"},
	{"drill_step_fill", "3. fill the server's table to this machine's max", "3. remplir la table du serveur jusqu'au max de cette machine"},
	{"drill_step_full", "4. connect while it is full", "4. se connecter pendant qu'elle est pleine"},
	{"drill_step_doctor", "5. ask the doctor", "5. consulter le docteur"},
	{"drill_step_cure", "6. cure: tcp_timeout_established = 8100 there, and delete what has been silent for longer", "6. remède : tcp_timeout_established = 8100 à cet endroit, et supprimer ce qui se tait depuis plus longtemps"},
	{"drill_step_again", "7. connect again", "7. se connecter de nouveau"},
	{"drill_table", "table: {max:count} flows, {bytes:bytes}", "table : {max:count} flux, {bytes:bytes}"},
	{"drill_before", "with room: {passed} of {made} connections passed", "avec de la place : {passed} connexions sur {made} ont abouti"},
	{"drill_full", "full: {failed} of {made} connections failed, as an application sees it: {error}", "pleine : {failed} connexions sur {made} ont échoué, vu de l'application : {error}"},
	{"drill_counters", "the kernel counted {drop:count} packets dropped during these tries", "le noyau a compté {drop:count} paquets rejetés pendant ces essais"},
	{"drill_log", "and logged {lines:count} lines about this table:", "et a journalisé {lines:count} lignes au sujet de cette table :"},
	{"drill_log_unnamed", "and logged {lines:count} lines on full tables that do not say which namespace's (older kernels never do)", "et a journalisé {lines:count} lignes sur des tables pleines sans dire de quel espace de noms (les anciens noyaux ne le disent jamais)"},
	{"drill_log_silent", "and logged nothing about it: the kernel limits how often it warns, over the whole machine", "et n'a rien journalisé à ce sujet : le noyau limite la fréquence de ses avertissements, pour toute la machine"},
	{"drill_log_unread", "its log cannot be read here", "son journal n'est pas lisible ici"},
	{"drill_doctor", "the doctor says: {verdict} ({findings})", "le docteur dit : {verdict} ({findings})"},
	{"drill_cure", "the cure ended {deleted:count} silent flows", "le remède a mis fin à {deleted:count} flux silencieux"},
	{"drill_after", "afterwards: {passed} of {made} connections passed, {count:count} flows in the table, the doctor says: {verdict}", "ensuite : {passed} connexions sur {made} ont abouti, {count:count} flux dans la table, le docteur dit : {verdict}"},
	{"drill_as_told", "All went as told, in {seconds} s. This host's own table and settings were not touched.", "Tout s'est passé comme prévu, en {seconds} s. La table et les réglages de cette machine n'ont pas été touchés."},
	{"drill_not_as_told", "Not everything went as a full table is told to go: see above.", "Tout ne s'est pas passé comme on le dit d'une table pleine : voir ci-dessus."},
	{"drill_smaller", "the table that would be filled has the size of nf_conntrack_max, which is the machine's", "la table à remplir a la taille de nf_conntrack_max, qui est celle de la machine"},
	{"drill_root", "run it as root: namespaces and ctnetlink need it", "exécutez-le en tant que root : les espaces de noms et ctnetlink le demandent"},
}
