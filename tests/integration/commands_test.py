#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/commands.md, README and the helps against the real binary, over the small world of world.py.

usage: commands_test.py ATTUNE SOURCE_ROOT      every example is run in a copy of one prepared folder.
"""
import datetime
import glob
import json
import os
import random
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

import world

ATTUNE, ROOT = "attune", "."
# Whose members are names of the playbook and not ours.
NAMED_BY_PLAYBOOK = {"traits": "NAME", "properties": "NAME", "content": "NAME", "fallback": "NAME"}
# Every command's answers, so that each documented key is seen: FOLDER is as prepared, but where a step before changed it.
SAMPLES = {
    "check": ["check playbook.yaml --data files/", "check bad.yaml", "check doubling.yaml"],
    "explain": ["explain spend_365d", "explain spend_a_visit", "explain mean_order", "explain \"count(any event) in 30d\""],
    "ingest": ["ingest web events-2017-10.ndjson.gz", "ingest orders headless.csv"],
    "data": ["data"],
    "quarantine list": ["quarantine list"],
    "quarantine show": ["quarantine show orders.csv:7"],
    "quarantine drop": ["quarantine drop orders.csv:7"],
    "quarantine replay": ["quarantine replay"],
    "customer": ["customer household:1029"],
    "traits": ["traits household:1029", "traits", "traits --out traits.ndjson"],
    "scenarios": ["scenarios --at 2018-01-01"],
    "train": ["train redeem --until 2017-10-01", "train shop --until 2017-10-01", "train again --dir crossed --until 2025-04-01"],
    "learn": ["learn redeem --until 2017-12-01", "learn --until 2017-12-01"],
    "models": ["models", "models redeem"],
    "promote": ["promote redeem@2 --until 2018-01-01 --anyway", "promote redeem@1 --until 2018-01-01"],
    "evaluate": ["evaluate redeem --from 2017-10-01 --until 2018-01-01",
                 "evaluate redeem --from 2017-10-01 --until 2018-01-01 --against theirs.csv"],
    "evaluate --policy": ["evaluate --policy mended.yaml --at 2018-03-01 $(attune decide --all --at 2017-12-05 --out decisions.csv >/dev/null)"],
    "evaluate --log": ["evaluate --log their_decisions.csv"],
    "decide": ["decide household:1029 --at 2017-12-05 --dry-run",
               "decide household:1029 --at 2017-12-05 --dry-run --playbook exploring.yaml",
               "decide household:1029 --at 2017-12-05 --playbook playbook.yaml --placement shelf --context '{}'",
               "decide --replay $(attune decide household:1029 --at 2017-12-05 --json | grep -om1 '[0-9a-f]\\{16\\}')", "decide --all --at 2017-12-05 --dry-run",
               "decide --all --at 2017-12-05 --dry-run --out decisions.ndjson --list mail.csv",
               "decide --all --at 2017-12-05 --out decisions.ndjson"],
    "why-not": ["why-not household:1029 mail_campaign --at 2017-12-05"],
    "budgets": ["budgets --at 2017-12-05", "budgets allocate --at 2017-12-05"],
    "report": ["report --at 2017-12-05 --from 2017-10-01 --until 2018-01-01 --out report",
               "report --at 2017-12-05 --from 2017-10-01 --until 2018-01-01 --out report --against theirs.csv"],
    "results": ["results --at 2018-03-01 $(attune decide --all --playbook trial.yaml --at 2017-12-05 --out decisions.csv >/dev/null)",
                "results --at 2018-03-01 --from 2017-12-01 --action mail_campaign"],
    "audit": ["audit", "audit k1"],
    "claims list": ["claims list", "claims list cookie:p1"],
    "claims withdraw": ["claims withdraw cookie:p1"],
    "claims restore": ["claims restore --all"],
    "key add": ["key add --write --source web --public --name shop", "key add --read"],
    "key list": ["key list"],
    "key revoke": ["key revoke k1"],
    "status": ["status"],
    "fold": ["fold"],
    "fsck": ["fsck", "fsck --dir damaged"],
    "rebuild": ["rebuild"],
    "backup": ["backup copy"],
    "unmerge": ["unmerge cookie:k1 email:a@b.example", "unmerge cookie:k1"],
    "erase": ["erase household:1029 --yes", "erase --leftovers", "erase --lift household:1029 household:1029"],
}


def shell(line, folder, code=0):
    environment = dict(os.environ, PATH=os.path.join(folder, ".bin") + ":" + os.environ["PATH"])
    environment.pop("ATTUNE_DIR", None)
    done = subprocess.run(["bash", "-uo", "pipefail", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert code is None or done.returncode == code, f"{line}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def serve(line, folder):
    """On any free port, since the example's own may be taken; it stops when it is told to."""
    server = subprocess.Popen([ATTUNE, *shlex.split(line)[1:], "--port", "0"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = server.stdout.readline()
    server.terminate()
    rest, log = server.communicate(timeout=60)
    assert server.returncode == 0 and said.startswith("attune serves "), f"{line}: exit {server.returncode}\n{said}{rest}{log}"
    for entry in log.splitlines():
        json.loads(entry)


def tail(line, folder):
    """With a server on any free port. What is sent to a source that takes nothing is refused, and the tail shows it."""
    keys = [subprocess.run([ATTUNE, "key", "add", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["--write", "--source", "web"], ["--read"])]
    server = subprocess.Popen([ATTUNE, "serve", "--playbook", "playbook.yaml", "--port", "0"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True)
    address = server.stdout.readline().split()[-1]
    words = [word for word in shlex.split(line)[1:] if not word.startswith("http://")]
    watching = subprocess.Popen([ATTUNE, *words, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, ATTUNE_KEY=keys[1]))
    try:
        while not select.select([watching.stdout], [], [], 0.1)[0]:
            assert watching.poll() is None, f"{line}: exit {watching.returncode}\n{watching.stderr.read()}"
            request = urllib.request.Request(address + "/v1/track", b'{"userId":"u1","event":"Clicked"}', {"Authorization": "Bearer " + keys[0]})
            try:
                urllib.request.urlopen(request, timeout=60)
            except urllib.error.HTTPError as refused:
                assert refused.code == 503, refused.code
        assert "refused" in watching.stdout.readline()
        if "--messages" in words:
            assert watching.wait(60) == 0
    finally:
        watching.terminate()
        server.terminate()
        watching.communicate(timeout=60)
        server.communicate(timeout=60)
    assert server.returncode == 0


CROSSED = """attune: 1
currency: USD
customer: { identifiers: { card: {} } }
sources:
  orders: { file: orders.csv, event: Order Completed, channel: store, time: day, key: { card: card }, row_key: "{card}/{day}" }
  views: { file: views.csv, event: Product Viewed, channel: web, time: day, key: { card: card }, row_key: "{card}/{day}" }
  letters: { file: letters.csv, event: Treatment Delivered, channel: mail, time: day, key: { card: card }, row_key: card, properties: { treatment: treatment } }
goals:
  order: { event: Order Completed, within: 10d, value: 20 USD }
traits:
  bought: { is: 'exists("Order Completed")', says: an order before }
  viewed: exists("Product Viewed")
models:
  again: { goal: order, learn_from: Treatment Delivered, features: [bought, viewed] }
actions:
  letter: { goal: order, model: again, channels: [mail] }
"""


def make_crossed(folder):
    """Letters of one day. Who bought before or looked, but not both, orders, the buyers more: two traits that say little alone, and much together."""
    files = {"orders.csv": ["card,day"], "views.csv": ["card,day"], "letters.csv": ["card,day,treatment"]}
    for n in range(1200):
        bought, viewed, dice = n % 2, n // 2 % 2, n * 7919 % 100
        if bought:
            files["orders.csv"].append(f"k{n},2025-01-{1 + n % 28:02d}")
        if viewed:
            files["views.csv"].append(f"k{n},2025-02-{1 + n % 28:02d}")
        files["letters.csv"].append(f"k{n},2025-03-01,letter")
        if dice < (75 if bought > viewed else 45 if viewed > bought else 15):
            files["orders.csv"].append(f"k{n},2025-03-0{2 + n % 7}")
    os.mkdir(os.path.join(folder, "letters"))
    for name, rows in files.items():
        world.write(folder, "letters/" + name, "\n".join(rows) + "\n")
    world.write(folder, "crossed.yaml", CROSSED)
    shell("attune ingest --dir crossed --playbook crossed.yaml --data letters && attune train again --dir crossed --until 2025-04-01", folder)


def prepare(folder):
    """As after a year: files loaded, folded, a model learnt; and what the samples need beside it."""
    world.make(folder)
    os.mkdir(os.path.join(folder, ".bin"))
    os.symlink(ATTUNE, os.path.join(folder, ".bin", "attune"))
    world.write(folder, "bad.yaml", world.PLAYBOOK.replace("goals: [redeem]", "goals: [redem]"))
    world.write(folder, "doubling.yaml", world.PLAYBOOK.replace("    row_key: order_id\n", "").replace("    one_event_per: order_id\n", "")
                .replace("sum(amount), items: [item, amount]", "amount"))
    world.write(folder, "headless.csv", "1,2,3\n")
    world.write(folder, "exploring.yaml", world.PLAYBOOK + "explore: { share: 50%, nothing: yes }\n")
    world.write(folder, "trial.yaml", world.PLAYBOOK.replace("goals:\n", "goals:\n  visit: { event: Order Completed, within: 14d }\n", 1)
                + "experiments: { louder: { goal: visit, start: 2017-12-01, stop: 2018-12-01, arms: { control: {}, louder: { levers: { mail_campaign: 10% } } } } }\n")
    shell("attune ingest --playbook playbook.yaml --data files/ && attune fold && attune train redeem --until 2017-10-01", folder)
    shell("attune key add --read --name 'the first key'", folder)
    shell("attune train redeem --until 2017-10-01 --challenger additive", folder) # redeem@2 stands by
    # A copy of a playbook that names a customer stays in the directory.
    world.write(folder, "naming.yaml", world.PLAYBOOK + "# for a@b.example\n")
    shell("attune fold --playbook naming.yaml && attune fold --playbook playbook.yaml", folder)
    shutil.copytree(os.path.join(folder, "data"), os.path.join(folder, "damaged"))
    make_crossed(folder)
    run = max(glob.glob(os.path.join(folder, "damaged", "runs", "*")), key=os.path.getsize)
    with open(run, "r+b") as file:
        file.seek(os.path.getsize(run) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x10]))
    with open(os.path.join(folder, "files/contacts.csv"), encoding="utf-8") as file:
        rows = [line.strip().split(",") for line in list(file)[1:]]
    world.write(folder, "theirs.csv", "treatment,customer,prediction\n" + "".join(
        f"mail_campaign/{campaign},{household},0.{1 + int(household) % 8}\n" for _, household, campaign in rows))


def paths_of(value, path, found):
    if isinstance(value, dict) and value:
        named = NAMED_BY_PLAYBOOK.get(path.split(".")[-1])
        for key, member in value.items():
            if named:
                found.add(f"{path}.{named}")
            else:
                paths_of(member, f"{path}.{key}" if path else key, found)
    elif isinstance(value, list) and value:
        for item in value:
            paths_of(item, path + "[]", found)
    else:
        found.add(path)


def documents(text):
    """One object, or an object a line."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines()]


class World(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.prepared = tempfile.mkdtemp(prefix="attune-commands-")
        cls.addClassCleanup(shutil.rmtree, cls.prepared, True)
        prepare(cls.prepared)

    def copy(self):
        folder = tempfile.mkdtemp(prefix="attune-commands-")
        self.addCleanup(shutil.rmtree, folder, True)
        shutil.copytree(self.prepared, folder, symlinks=True, dirs_exist_ok=True)
        return folder

    def help_of(self, command=""):
        return shell(f"attune help {command}", self.prepared).stdout


def commands():
    text = subprocess.run([ATTUNE, "help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  ([a-z-]+)  ", text, re.M)


class Page(World):
    """docs/commands.md: a section a command, with its options and the keys of its JSON."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(ROOT, "docs", "commands.md"), encoding="utf-8") as file:
            text = file.read()
        cls.sections = dict(re.findall(r"^## `([a-z -]+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
        cls.common = text.split("\n## `")[0]

    def options(self, text):
        return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))

    def test_every_command_and_option_is_named(self):
        common = {"dir", "playbook", "quiet", "help"}
        self.assertLessEqual(common, self.options(self.common))
        self.assertEqual({name.split()[0] for name in self.sections}, set(commands()))
        for command in commands():
            has = self.options(self.help_of(command).split("\nOptions\n")[1]) - common
            sections = "".join(text for name, text in self.sections.items() if name.split()[0] == command)
            self.assertEqual(self.options(sections) - common, has, f"attune {command}: options of the page and of its help")

    def test_keys_are_those_of_the_answers(self):
        self.assertEqual(set(SAMPLES), {name for name in self.sections if "**JSON**" in self.sections[name]})
        for name, lines in SAMPLES.items():
            documented, seen = set(), set()
            for row in re.findall(r"^\| (`[^|]+`) \|", self.sections[name], re.M):
                documented.update(re.findall(r"`([^`]+)`", row))
            folder = self.copy()
            for line in lines:
                for document in documents(shell(f"attune {line} --json", folder, code=None).stdout):
                    self.assertIsInstance(document, dict, f"{line}: an object, never a bare list")
                    paths_of(document, "", seen)
            unnamed = {path for path in seen if not any(d == path or d.startswith((path + ".", path + "[]")) for d in documented)}
            self.assertEqual((unnamed, documented - seen), (set(), set()), f"{name}: printed and not documented; documented and not printed")
            for path in seen:
                self.assertRegex(path, r"^[a-z0-9_\[\].NAME]+$", f"{name}: keys are snake_case")


class Pairs(World):
    """Two traits that say together what neither says alone."""

    def test_training_and_reasons_tell_them(self):
        folder = self.copy()
        screen = shell("attune train again --dir crossed --until 2025-04-01", folder).stdout
        self.assertIn("settings and figures from folds by customer", screen)
        self.assertIn("1 of 1 say together what neither says alone", screen)
        self.assertIn("bought and viewed", screen)
        reason = shell("attune decide card:k1 --dir crossed --at 2025-04-02 --dry-run", folder).stdout
        self.assertRegex(" ".join(reason.split()), r"mostly because an order before is yes and, together with it, viewed is no")
        # What a pair says is not said once more by one of the two.
        for words in ("an order before is", "viewed is"):
            self.assertEqual(" ".join(reason.split()).count(words), 1, reason)
        # Where both hold, nothing speaks for the letter together.
        reason = shell("attune decide card:k3 --dir crossed --at 2025-04-02 --dry-run", folder).stdout
        self.assertNotIn("together with it", reason)


LOYAL = """attune: 1
currency: USD
customer: { identifiers: { card: {} } }
sources:
  orders: { file: orders.csv, event: Order Completed, channel: store, time: day, key: { card: card }, row_key: "{card}/{day}" }
lifetime: { shop: { orders: Order Completed } }
"""


class Lifetimes(World):
    """A shop that nobody leaves, and one that half of the customers leave after each order."""

    def train(self, folder, stays):
        dice, rows = random.Random(3), ["card,day"]
        for n in range(400):
            at, rate = dice.uniform(0, 300), dice.gammavariate(2, 0.02)
            while at < 700:
                day = datetime.date(2024, 1, 1) + datetime.timedelta(days=int(at))
                rows.append(f"k{n},{day}")
                if dice.random() > stays:
                    break
                at += 1 + dice.expovariate(rate)
        name = f"stays{stays}"
        world.write(folder, "orders.csv", "\n".join(dict.fromkeys(rows)) + "\n")
        world.write(folder, "loyal.yaml", LOYAL)
        return " ".join(shell(f"attune ingest --dir {name} --playbook loyal.yaml && attune train shop --dir {name} --until 2025-12-01", folder).stdout.split())

    def test_a_shop_that_nobody_leaves_is_told(self):
        folder = self.copy()
        self.assertIn("hardly anybody leaves for good: alive is about 1", self.train(folder, 1))
        self.assertNotIn("hardly anybody leaves", self.train(folder, 0.5))


class Checked(World):
    def test_lifetime_models_and_experiments_are_counted(self):
        folder = self.copy()
        told = " ".join(shell("attune check playbook.yaml && attune check trial.yaml", folder).stdout.split())
        self.assertRegex(told, r"playbook.yaml is fine: .*, 1 lifetime model.*trial.yaml is fine: .*, 1 lifetime model, 1 experiment, 2 budgets")


class Examples(World):
    def test_every_example_of_a_help_runs(self):
        ran = 0
        for command in commands():
            for line in re.findall(r"^  (.*\battune .*)$", self.help_of(command).split("\nOptions\n")[0], re.M):
                line = re.split(r" {3,}", line)[0]
                folder = self.copy()
                if command == "init":
                    os.remove(os.path.join(folder, "playbook.yaml"))
                if line.startswith("attune serve") and "--check" not in line:
                    serve(line, folder)
                elif line.startswith("attune tail"):
                    tail(line, folder)
                else:
                    shell(line, folder)
                ran += 1
        self.assertGreater(ran, 25)

    def test_readme_runs(self):
        folder = self.copy()
        shutil.rmtree(os.path.join(folder, "data"))
        os.remove(os.path.join(folder, "playbook.yaml"))
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            blocks = re.findall(r"^```console\n(.*?)^```", file.read(), re.M | re.S)
        lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
        self.assertGreater(len(lines), 9)
        for line in lines:
            shell(line, folder)
            if line.startswith("attune init"):  # the first playbook is fine as it is; the files are those of another
                shell("attune check playbook.yaml", folder)
                world.write(folder, "playbook.yaml", world.PLAYBOOK)


class Access(World):
    """docs/access.md: its commands, and the tokens that its snippets make."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(ROOT, "docs", "access.md"), encoding="utf-8") as file:
            cls.page = file.read()

    def blocks(self, language):
        return re.findall(rf"^```{language}\n(.*?)^```", self.page, re.M | re.S)

    def test_its_commands_run(self):
        folder = self.copy()
        lines = [line[2:] for block in self.blocks("console") for line in block.splitlines() if line.startswith("$ ")]
        self.assertGreater(len(lines), 9)
        for line in lines:
            shell(line, folder)
        told = [entry["did"] for entry in json.loads(shell("attune audit --json", folder).stdout)["entries"]]
        self.assertIn("key revoke k1", told)
        self.assertIn("claims restore", told)
        keys = shell("attune backup copy && attune key list --dir copy --json", folder).stdout
        self.assertIn('"keys": [', keys)
        self.assertEqual(keys[keys.index('"keys"'):], (lambda own: own[own.index('"keys"'):])(shell("attune key list --json", folder).stdout))

    def links_of(self, token, folder):
        secret = "0123456789abcdef0123456789abcdef"
        world.write(folder, "token.yaml", """attune: 1
name: Tokens
currency: USD
zone: UTC
customer: { identifiers: { user_id: {}, anonymous_id: {} } }
sources: { page: { file: "page*.ndjson", format: segment, trust: public, token_secret: "env SHOP_SECRET" } }
traits: { seen: count(any event) }
""")
        message = {"type": "identify", "messageId": "m1", "userId": "u-2/ü", "anonymousId": "k1",
                   "timestamp": "2017-10-01T00:00:00Z", "context": {"attune_token": token(secret)}}
        os.makedirs(os.path.join(folder, "page"), exist_ok=True)
        world.write(folder, "page/page.ndjson", json.dumps(message) + "\n")
        shutil.rmtree(os.path.join(folder, "tokens"), True)
        shell(f"SHOP_SECRET={secret} attune ingest --playbook token.yaml --data page --dir tokens", folder)
        answer = json.loads(shell("attune customer anonymous_id:k1 --dir tokens --json", folder).stdout)
        return [(link["to"], link["joined"], link["is_claim"]) for link in answer["links"]]

    def test_its_tokens_are_good(self):
        folder, names = self.copy(), {}
        linked, claimed = [("user_id:u-2/ü", True, False)], [("user_id:u-2/ü", True, True)]
        exec(self.blocks("python")[0], names)
        self.links_of(lambda secret: "", folder)
        for secret, told in (("SHOP_SECRET= ", True), ("SHOP_SECRET=short ", True), ("SHOP_SECRET=0123456789abcdef ", False)):
            said = shell(secret + "attune serve --check --port 0 --playbook token.yaml --dir checked", folder)
            self.assertEqual("no signed user token is good" in said.stdout + said.stderr, told)
        self.assertEqual(self.links_of(lambda secret: names["user_token"]("u-2/ü", secret.encode()), folder), linked)
        self.assertEqual(self.links_of(lambda secret: names["user_token"]("u-2/ü", b"x" + secret.encode()), folder), claimed)
        self.assertEqual(self.links_of(lambda secret: names["user_token"]("u-3", secret.encode()), folder), claimed)
        self.assertEqual(self.links_of(lambda secret: names["user_token"]("u-2/ü", secret.encode(), -1), folder), claimed)
        if shutil.which("node") is None:
            self.skipTest("there is no node: the snippet for it was not run")
        [snippet] = [block for block in self.blocks("js") if "createHmac" in block]

        def of_node(secret):
            code = snippet + f"process.stdout.write(userToken('u-2/ü', '{secret}'));"
            return subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout
        self.assertEqual(self.links_of(of_node, folder), linked)


class Screen(World):
    """What people see: no line wider than 100 columns, no colours, no bare milliseconds, no plural of one."""

    def test_lines_fit(self):
        for name, lines in SAMPLES.items():
            folder = self.copy()
            for line in lines:
                done = shell(f"attune {line}", folder, code=None)
                if "--all" in line or line == "traits":
                    continue  # CSV
                for shown in (done.stdout + done.stderr).splitlines():
                    if not shown.startswith(("attune: ", folder)) and not re.match(r"^\S+:\d+:\d+: ", shown):
                        self.assertLessEqual(len(shown), 100, f"attune {line}\n{shown}")
                self.assertNotIn("\x1b", done.stdout + done.stderr)
                self.assertNotIn("\x1f", done.stdout + done.stderr)
                self.assertNotRegex(done.stdout, r"(?<![\d,.])1 (events|rows|files|customers|scenarios|goals|models|actions|runs|fields|identifiers)\b")
                self.assertNotRegex(done.stdout, r"\d+s\d+ms")
        for command in commands():
            for shown in self.help_of(command).splitlines():
                self.assertLessEqual(len(shown), 100, shown)
        for shown in self.help_of().splitlines():
            self.assertLessEqual(len(shown), 100, shown)


if __name__ == "__main__":
    ATTUNE, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
