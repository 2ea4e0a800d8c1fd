/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#define MANY CLI_WORDS_MAX

/* A test runs every example of a help, and holds docs/commands.md against this table. */
const struct command cli_commands[] = {
    {"init", "[FILE]", "write a commented playbook to start from", "",
     "Writes a first playbook that loads as it is and explains itself. Never overwrites.\n\n"
     "  attune init                       writes playbook.yaml\n"
     "  attune init shop.yaml\n",
     0, 1, command_init},
    {"check", "FILE", "check a playbook: every error at once, with line and column", "data json",
     "Needs no data directory. Exit status 1 where there is an error; a warning is none. With "
     "--data the files of that folder are held against the sources: headers, encoding, columns. "
     "Nothing is stored.\n\n"
     "  attune check playbook.yaml\n"
     "  attune check playbook.yaml --data files/\n"
     "  attune check playbook.yaml --json\n",
     1, 1, command_check},
    {"explain", "TRAIT", "say in words what a trait means and what it reads", "json",
     "TRAIT is a trait's name, or any expression.\n\n"
     "  attune explain spend_365d --playbook playbook.yaml\n"
     "  attune explain \"count('Order Completed') in 30d\"\n",
     1, 1, command_explain},
    {"ingest", "[SOURCE FILE…]", "load files: events, customer records, lookups",
     "data source remap accept-corrections json threads nice",
     "Without words, loads every source of the playbook whose files are in --data, lookups first. "
     "A row stands under its row_key for ever: what was loaded before is a repeat, and a row that "
     "says something else corrects it. A load that would correct too many rows (corrections_max) "
     "changes none of them and says so. After the mapping was mended, --remap reads stored rows "
     "again by it. A row that can't become an event goes to quarantine with its reason. A file "
     "that can't be read, or lacks a column, fails the command after all the others have been "
     "loaded; a lookup that can't be read ends the loading. What is in stays, and the answer says "
     "how to go on.\n\n"
     "  attune ingest --playbook playbook.yaml --data files/\n"
     "  attune ingest web events-2017-10.ndjson.gz\n"
     "  zcat events-2017-10.ndjson.gz | attune ingest web -\n",
     0, MANY, command_ingest},
    {"data", "", "what every source and field holds, what it costs, what uses it", "json",
     "Clean data are events, dirty data are in quarantine, dark data are stored and nothing uses "
     "them.\n\n"
     "  attune data\n",
     0, 0, command_data},
    {"quarantine", "list|show ROW|drop ROW|replay", "rows that are no events, and their way back",
     "source json",
     "ROW is FILE:LINE as the list tells it, with or without the folders of FILE. What came in a\n"
     "request to the server lies in no file: there ROW is the number that the list tells.\n\n"
     "  attune quarantine list                 reasons, and how many rows have each\n"
     "  attune quarantine show orders.csv:7    one row, as it came\n"
     "  attune quarantine drop orders.csv:7    it was read, and is given up\n"
     "  attune quarantine replay --playbook mended.yaml --source web\n",
     1, 2, command_quarantine},
    {"customer", "CUSTOMER", "one customer: timeline, personas, links, traits, segments", "at json",
     "CUSTOMER is C123, or an identifier such as email:a@b.example, or its value alone where only "
     "one customer has it.\n\n"
     "  attune customer household:1029 --at 2017-10-01\n",
     1, 1, command_customer},
    {"unmerge", "IDENTIFIER [IDENTIFIER]", "take back a link between two identifiers", "json",
     "The link counts from now on as if it had never been; nobody's events are lost. With one "
     "identifier all its links.\n\n"
     "  attune unmerge cookie:k1 email:a@b.example\n",
     1, 2, command_unmerge},
    {"traits", "[CUSTOMER]", "traits of one customer, or of all as CSV, as of a time",
     "at out json threads nice",
     "With --json and no CUSTOMER, one object a line.\n\n"
     "  attune traits --at 2017-10-01 --out traits.csv\n"
     "  attune traits household:1029 --at 2017-10-01\n",
     0, 1, command_traits},
    {"scenarios", "", "how much likelier each scenario makes its goals", "at json threads nice",
     "For each scenario and goal: how many customers, the goal's rate inside and among comparable "
     "others, standardised by date (each date has the weight that it has inside), and the index "
     "with its 95 % interval by customer. An index is no cause.\n\n"
     "  attune scenarios --at 2018-01-01\n",
     0, 0, command_scenarios},
    {"train", "[MODEL]", "learn a model from past treatments whose goals have matured",
     "until challenger json threads nice",
     "Learns from the treatments of the actions that use the model. Every row sees only what was "
     "known at the moment of its treatment. Settings are chosen on rolling splits in time where "
     "there are rows enough; the answer says what the figures were measured on, and what is no row "
     "and why. The model is in force at once. With --challenger it stands by instead, and attune "
     "promote compares the two. Learners are additive, the usual one, and trees, which adds "
     "boosted trees and needs XGBoost. A lifetime model is fitted to the orders as they were known "
     "at one date after the other, up to --until. Without MODEL all are trained, lifetime models "
     "first, since traits read them.\n\n"
     "  attune train redeem --until 2017-10-01\n"
     "  attune train shop --until 2017-10-01   the lifetime model\n"
     "  attune train redeem --until 2017-10-01 --challenger additive\n",
     0, 1, command_train},
    {"learn", "[MODEL]", "let a model in force learn on what has matured since",
     "until json threads nice",
     "A trained model learns the treatments whose goals have matured since it last learnt, yeses "
     "and noes together, in the order in which they matured. Where the answer of an earlier one "
     "has "
     "changed, because an outcome came late or was undone, it is learnt once more. The result is a "
     "version of its own, in force at once; attune promote goes back. Without MODEL all models in "
     "force learn on. A server does the same by itself for a model with online: { every: 10m }.\n\n"
     "  attune learn redeem\n"
     "  attune learn redeem --until 2017-11-01 --json\n",
     0, 1, command_learn},
    {"models", "[MODEL]", "every version of a model: how it was made, and which is in force",
     "json",
     "A version keeps its number and its file for ever, so that a recorded decision can be made "
     "again. The figures are those that a version reports of itself; attune promote compares two "
     "versions on the same treatments.\n\n"
     "  attune models\n"
     "  attune models redeem --json\n",
     0, 1, command_models},
    {"promote", "MODEL@VERSION", "compare a version with the one in force, and put it in force",
     "from until anyway json threads nice",
     "Both versions are judged on the treatments delivered in [--from, --until), whose goals have "
     "matured by --until and which neither has learnt from. The version is put in force where its "
     "AUC or its log loss is better with the whole 95 % interval and the other is not worse in "
     "that way. Otherwise nothing changes and the exit status is 1, but for --anyway. Going back "
     "to a version that was in force earlier needs no evidence, which is shown all the same.\n\n"
     "  attune promote redeem@2 --until 2018-01-01 --anyway\n",
     1, 1, command_promote},
    {"evaluate", "[MODEL]", "how good a model is, or another playbook would have been",
     "at from until out against policy log columns json threads nice",
     "Scores the treatments delivered in [--from, --until) whose goals have matured by --until, "
     "with intervals by customer. --against takes "
     "a CSV with columns treatment, customer and prediction, and compares the two row by row.\n\n"
     "With --policy, what another playbook would have earned: the decisions recorded in [--from, "
     "--until) are made again by it, as known then, and weighed by how much likelier it was to do "
     "what was done. That needs decisions that were drawn (explore:).\n\n"
     "With --log, what other policies would have earned by the decisions of a CSV file (or .gz) "
     "with the columns action, probability and reward: the policy of the column new_probability or "
     "new_action, or else to take one action always. Rows whose probability is missing, 0 or over "
     "1 "
     "are refused, and told by line. docs/off-policy.md says how it is estimated.\n\n"
     "  attune evaluate redeem --from 2017-10-01 --until 2018-01-01\n"
     "  attune evaluate --policy mended.yaml          another playbook\n"
     "  attune evaluate --log their_decisions.csv     another program's decisions\n",
     0, 1, command_evaluate},
    {"decide", "CUSTOMER | --all", "the next best action, with its reason",
     "at out list all dry-run replay placement context count json threads nice",
     "Each decision is written as an event unless --dry-run. With --all decisions are written "
     "once the output is whole: where the output fails, nothing is recorded, and the same command "
     "can be given again. The same decision made twice is recorded once. With --all and --json, "
     "one object a line. --list writes a second CSV for a mail house or a call centre: a line for "
     "each treatment that is offered, with the columns that the playbook names in decide: lists:, "
     "and no line for the holdout. --replay makes a recorded decision again from what it was made "
     "from, and shows its whole trace: it is equal to the bit, or what differs is told, or why it "
     "can't be made again. A CUSTOMER beside it makes the search short. --placement names one or "
     "more of the playbook's placements, with commas between them: only what may stand there is "
     "considered, and no treatment stands twice. --context says what the playbook's context: "
     "declares, as a JSON object; the rest of it is left out, and told.\n\n"
     "  attune decide household:1029 --at 2017-12-05\n"
     "  attune decide --all --at 2017-12-05 --out decisions.csv\n"
     "  attune decide --all --at 2017-12-05 --out decisions.csv --list mail.csv\n"
     "  attune decide --all --at 2017-12-05 --json --dry-run\n",
     0, 1, command_decide},
    {"why-not", "CUSTOMER ACTION", "which stage stopped an action, and from when on it would not",
     "at placement context count json",
     "ACTION is an action's name, or NAME/KEY for one row of its lookup. --placement, --context "
     "and "
     "--count ask as decide does.\n\n"
     "  attune why-not household:1029 mail_campaign/18 --at 2017-12-05\n",
     2, 2, command_why_not},
    {"budgets", "[allocate]",
     "what is used and left of budgets, their prices, and how good they are",
     "at json threads nice",
     "Counts from the timelines what each budget of the playbook has used in its period, as of "
     "--at "
     "(default: the newest event), and shows the prices by which decisions are made, the value of "
     "the best use that was found, and the bound above which no use could be worth more. decide "
     "--all finds prices by itself; budgets allocate does so without deciding, for a server that "
     "decides one customer at a time.\n\n"
     "  attune budgets\n"
     "  attune budgets allocate\n"
     "  attune budgets --at 2017-12-05 --json\n",
     0, 1, command_budgets},
    {"report", "", "the whole as a report: report.html with pictures, report.json",
     "at from until out against json threads nice",
     "Both files and the screen tell the same figures; --out names the folder (default: here), "
     "--json prints what report.json holds.\n\n"
     "  attune report --at 2017-12-05 --from 2017-10-01 --until 2018-01-01 --out report\n",
     0, 0, command_report},
    {"results", "", "what being decided for changed, as the holdout tells it",
     "at from action json threads nice",
     "Compares those who were decided for with the holdout, whatever was then sent: everything "
     "together, by channel, scenario and action, and by month; in goals, in value and in cost per "
     "additional goal. An outcome counts once its horizon and delay have passed. Beside the "
     "interval of one look stands one that holds however often you look. Months are told of "
     "everything together, or of the action of --action; --json has them all. --from leaves out "
     "earlier decisions (docs/results.md).\n\n"
     "  attune results --at 2018-01-01\n"
     "  attune results --action mail_campaign --at 2018-01-01\n"
     "  attune results --at 2018-01-01 --json\n",
     0, 0, command_results},
    {"audit", "[WHO]", "who read or changed what: the timeline of the system", "from until json",
     "An entry names the key by its id (attune key list), what was asked of the server, or done by "
     "a "
     "command, and the customer by their number. What is asked about one customer, and what "
     "changes "
     "anything, is an entry each; what a site does all day is summed by key, a line a minute. WHO "
     "is "
     "a key (k3) or a customer (C12). Times are in UTC. The newest 64 MB are kept.\n\n"
     "  attune audit\n"
     "  attune audit k3 --from 2017-12-05\n"
     "  attune audit C12 --json\n",
     0, 1, command_audit},
    {"claims", "list|withdraw|restore [WHOSE]", "what pages say of who somebody is; taking it back",
     "source from until all json",
     "A public source, such as a page, can claim that its device is somebody's: the device's "
     "events then count for that customer, marked. WHOSE is a device (cookie:k1), what it claims "
     "(email:a@b.example), or a customer (C12). Further options leave only those claims that a "
     "source made (--source), or that were known from a time on or until one. A withdrawal holds "
     "from now on, also against pages that say the same again, until restore.\n\n"
     "  attune claims list\n"
     "  attune claims withdraw cookie:k1\n"
     "  attune claims withdraw --source web --from 2017-12-01\n"
     "  attune claims restore --all\n",
     1, 2, command_claims},
    {"key", "add|list|revoke ID", "keys of the server: who may send, decide, read, administer",
     "write decide read admin source public no-claims per-second name json",
     "A key is shown once, when it is made; only its hash is kept, in access.json of the data "
     "directory. A server that runs knows a new key, and refuses a revoked one, within a second. "
     "A public key is for pages: anybody can read it there, so what comes with it is believed "
     "less (docs/access.md).\n\n"
     "  attune key add --write --source web --public --name \"web shop\"\n"
     "  attune key add --write --source orders --name \"order system\"\n"
     "  attune key add --decide --per-second 500\n"
     "  attune key list\n"
     "  attune key revoke k1\n",
     1, 2, command_key},
    {"serve", "", "take events and give decisions over HTTP",
     "address port threads connections patience host origin proxy first-party log-requests check",
     "One process over the data directory, until it gets SIGTERM or Ctrl-C: it then answers what "
     "it has begun, syncs and closes. SIGHUP reads the file of --playbook again; a playbook with "
     "errors is refused and the one in force stays. It listens on this machine alone unless "
     "--address says otherwise, and is asked under no other name than those of --host. Put a proxy "
     "with TLS in front before others reach it (docs/operations.md). --check says what would be "
     "wrong, and starts nothing.\n\n"
     "  attune serve --playbook playbook.yaml\n"
     "  attune serve --playbook playbook.yaml --check\n"
     "  attune serve --port 8421 --host events.shop.example --origin https://shop.example\n",
     0, 0, command_serve},
    {"tail", "[URL]", "what arrives at a server, as it arrives",
     "source event verdict key-file messages json",
     "One line a message: the time (UTC), what became of it, its source, its event, and who it is "
     "about, masked. What is quarantined, turned away or refused says why. For finding out whether "
     "a client is wired up rightly (docs/serve.md). It needs a key that may read, as $ATTUNE_KEY "
     "or "
     "in --key-file, and asks http://127.0.0.1:8420 unless told another address; a server that is "
     "started again is asked again.\n\n"
     "  attune tail\n"
     "  attune tail --source web --verdict quarantined,refused\n"
     "  attune tail http://127.0.0.1:8421 --json --messages 1\n",
     0, 1, command_tail},
    {"status", "", "events, customers, runs, bytes and what is in force", "json",
     "  attune status --json\n", 0, 0, command_status},
    {"fold", "", "move the newest events from the log into a run now", "merge json nice",
     "  attune fold --merge\n", 0, 0, command_fold},
    {"fsck", "", "verify every checksum, order and offset of the data directory", "json",
     "Reads every byte; changes nothing. Exit status 1 where anything is wrong.\n\n"
     "  attune fsck --dir data\n",
     0, 0, command_fsck},
    {"rebuild", "", "recompute what is derived: runs with the columns now in use", "json nice",
     "Columns and the heap of their texts are made anew from each event's properties, also where "
     "they are damaged. Other damage can't be mended "
     "from the directory itself: the log is dropped once a run has its events. Restore the "
     "directory from a backup.\n\n"
     "  attune rebuild --playbook playbook.yaml\n",
     0, 0, command_rebuild},
    {"backup", "TARGET", "a consistent copy of the data directory", "since json",
     "TARGET is a folder that does not exist yet. With --since the new backup shares with an "
     "earlier one the files that have not changed, so that it takes only the room and the time of "
     "what is new; each of them is whole, and either may be deleted or shipped by any tool. Works "
     "beside a running server, too.\n\n"
     "  attune backup backup-2017-12-05\n"
     "  attune backup monday && attune backup tuesday --since monday\n",
     1, 1, command_backup},
    {"erase", "CUSTOMER", "remove every byte of a customer, and say what was removed",
     "yes lift leftovers json",
     "Rewrites the affected files, drops the log, and keeps only salted hashes, by which the "
     "person is turned away when an identifier comes again unasked. Relations of others to the "
     "customer go too, and so do rows in quarantine that hold an identifier, be it quoted or "
     "escaped. (An identifier shorter than 6 bytes is looked for only in its own column, or where "
     "the columns can't be told.) A bad row that comes again is kept without its bytes. Backups "
     "made before are not reached: the answer reminds you of them, and lists the lookups, "
     "playbooks and models that still name the customer. After a mistake, --lift lets identifiers "
     "in again; then load the files that hold them. --leftovers lists the lookups and playbooks "
     "that name anybody who was erased: a file that was loaded since may have brought somebody "
     "back.\n\n"
     "  attune erase email:a@b.example --yes\n"
     "  attune erase household:1029 --yes && attune erase --lift household:1029\n",
     0, CLI_WORDS_MAX, command_erase},
};
const size_t cli_command_count = sizeof cli_commands / sizeof *cli_commands;
