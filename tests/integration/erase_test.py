#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One person's words in every place where data can enter: after an erasure no byte of them is left, or the answer names the place.

Half of the data is folded into runs, a model is trained and a decision recorded before. Then the erasure is lifted: the same files
give the same traits as before.

usage: erase_test.py ATTUNE
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ATTUNE = "attune"
PLAYBOOK = """attune: 1
currency: USD
zone: UTC
customer: { identifiers: { email: {}, card: {}, cookie: {} } }
relations: { friend: {} }
sources:
  members: { file: "members*.csv", lookup: card }
  orders:
    file: "orders*.csv"
    event: "{what}"
    channel: "{medium}"
    time: at
    key: { email: email, card: card }
    row_key: id
    types: { amount: money }
    properties: { amount: amount, note: note, nick: nick }
  sent:
    file: "sent*.csv"
    event: Treatment Delivered
    channel: email
    time: at
    key: { card: card }
    row_key: id
    properties: { treatment: treatment, creative: creative }
  friends: { file: "friends*.csv", event: Related, time: at, key: { card: card }, properties: { kind: kind, to: to } }
  consents:
    file: "consents*.csv"
    event: Consent Changed
    time: at
    key: { email: email }
    properties: { purpose: purpose, state: state, source: source }
    types: { state: yes/no }
  web: { file: "web*.ndjson", format: segment, key: { cookie: anonymousId, email: traits.email } }
events:
  Order: { amount: money, note: text, nick: text }
  Seen: { nick: text }
  Cart Saved: { products: { price: number } }
traits:
  nick: last("Seen".nick)
  orders: count("Order")
  spent: sum("Order".amount)
  all: count(any event)
goals: { order: { event: Order, within: 7d, value: 1 USD } }
models: { order: { goal: order, features: [nick] } }
actions: { letter: { goal: order, channels: [email], model: order, reason: "because {nick}" } }
"""
# Each stands in one kind of place and in no other.
WORDS = {
    "an identifier": "ann.mark01@a.example",
    "a second identifier": "card-mark02",
    "a value": "note-mark03",
    "a text that a model may learn": "nick-mark04",
    "an event that nobody declared": "Event mark05",
    "a channel that nobody declared": "channel-mark06",
    "a property that nobody declared": "property-mark07",
    "a value of it": "value-mark08",
    "a field of a record": "field-mark09",
    "a source of consent": "consent-mark11",
    "a bad row": "bad-mark12",
    "a bad value, told in the reason": "amount-mark13",
    "a creative": "creative-mark15",
    "a cookie": "cookie-mark16",
    "a page's title": "title-mark17",
    "a group": "group-mark18",
    "a context": "context-mark19",
}
LOOKUP_WORD = "tier-mark20"


def write(folder, name, *lines):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def make(folder):
    write(folder, "playbook.yaml", PLAYBOOK)
    word = WORDS.get
    seen = ["id,what,medium,at,email,card,amount,note,nick"]
    sent = ["id,at,card,treatment,creative"]
    for c in range(200):
        seen.append(f"s{c},Seen,web,2023-01-01 09:00,c{c}@b.example,b{c},,,nick-of-{c if c % 2 else 'all'}")
        for m in range(1, 7):
            sent.append(f"t{c}-{m},2023-{m:02}-05 09:00,b{c},letter,plain")
            if (c * 7 + m * 3) % 5 == 0:
                seen.append(f"o{c}-{m},Order,store,2023-{m:02}-08 09:00,c{c}@b.example,b{c},5,,")
    email, card = word("an identifier"), word("a second identifier")
    seen.append(f"a1,Seen,web,2023-01-01 09:00,{email},{card},,,{word('a text that a model may learn')}")
    seen.append(f"a2,Order,store,2023-03-01 09:00,{email},{card},10.00,{word('a value')},")
    sent += [f"ta-{m},2023-{m:02}-05 09:00,{card},letter,{word('a creative')}" for m in range(1, 7)]
    write(folder, "orders1.csv", *seen)
    write(folder, "sent1.csv", *sent)
    write(folder, "members.csv", "card,mail,tier", f"{card},{email},{LOOKUP_WORD}", "b1,c1@b.example,plain")


def make_more(folder):
    word = WORDS.get
    email, card, cookie = word("an identifier"), word("a second identifier"), word("a cookie")
    write(folder, "orders2.csv", "id,what,medium,at,email,card,amount,note,nick",
          f"a3,{word('an event that nobody declared')},{word('a channel that nobody declared')},2023-04-01 09:00,{email},{card},,,",
          f"a4,Order,store,no time,{email},{card},1,{word('a bad row')},",
          f"a5,Order,store,2023-04-02 09:00,{email},{card},{word('a bad value, told in the reason')},,")
    write(folder, "friends.csv", "at,card,kind,to", f"2023-04-01 09:00,b1,friend,email:  {email.upper()} ",
          f"2023-04-01 09:00,{card},friend,email:c1@b.example")
    write(folder, "consents.csv", "at,email,purpose,state,source",
          f"2023-04-01 09:00,{email},personalise,yes,{word('a source of consent')}")
    message = {"anonymousId": cookie, "traits": {"email": email}, "timestamp": "2023-04-02T09:00:00Z"}
    lines = [
        {"type": "track", "event": "Cart Saved", "properties": {
            word("a property that nobody declared"): word("a value of it"),
            "products": [{"price": 1, word("a field of a record"): 2}]}},
        {"type": "page", "name": word("a page's title")},
        {"type": "group", "groupId": word("a group")},
        {"type": "track", "event": "Order", "context": {"page": {"title": word("a context")}},
         "properties": {"amount": "2.00"}},
        {"type": "identify", "context": {"consent": {"categoryPreferences": {"Measure": True}}}},
    ]
    write(folder, "web.ndjson", *[json.dumps(dict(message, messageId=f"m{i}", **line)) for i, line in enumerate(lines)],
          json.dumps(dict(message, messageId="bad", type="nothing", event=word("a bad row"))))


class Erasing(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.data = os.path.join(self.folder.name, "data")
        make(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def run_attune(self, *arguments, fails=False):
        done = subprocess.run([ATTUNE, *arguments, "--dir", self.data], cwd=self.folder.name, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode != 0, fails, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def files_with(self, word):
        found = []
        for folder, _, names in os.walk(self.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    if word.encode() in file.read():
                        found.append(os.path.relpath(os.path.join(folder, name), self.data))
        return found

    def load_all(self):
        self.run_attune("ingest", "--playbook", "playbook.yaml", "--data", self.folder.name)
        self.run_attune("fold")
        make_more(self.folder.name)
        self.run_attune("ingest", "--data", self.folder.name)

    def traits(self):
        return json.loads(self.run_attune("traits", "email:" + WORDS["an identifier"], "--at", "2023-09-01", "--json"))

    def test_no_byte_is_left_or_the_place_is_told(self):
        self.load_all()
        self.run_attune("train", "--until", "2023-09-01")
        self.run_attune("decide", "card:" + WORDS["a second identifier"], "--at", "2023-09-02")
        kept = [name for name in WORDS if not self.files_with(WORDS[name])]
        # Blocks of runs are compressed, and what no mapping reads is not kept: most words lie bare all the same.
        self.assertLess(len(kept), len(WORDS) // 2, kept)
        for model in os.listdir(os.path.join(self.data, "models")):
            with open(os.path.join(self.data, "models", model), "rb") as file:
                held = file.read()
            self.assertIn(b"nick-of-all", held)  # a hundred customers have it
            self.assertNotIn(b"nick-of-1", held)
        answer = json.loads(self.run_attune("erase", "email:" + WORDS["an identifier"], "--yes", "--json"))
        self.assertGreater(answer["events"], 8)
        self.assertGreaterEqual(answer["quarantined_rows"], 2)
        self.assertEqual(answer["not_reached"], [{"what": "lookup", "name": "members", "rows": 1}])
        for name, word in list(WORDS.items()) + [("relations to her", WORDS["an identifier"].upper())]:
            left = [path for path in self.files_with(word) if not path.startswith("lookups")]
            self.assertEqual(left, [], f"{name}: {word}")
        self.run_attune("fsck")

    def test_a_lookup_that_is_loaded_later_is_told(self):
        self.load_all()
        email, card = WORDS["an identifier"], WORDS["a second identifier"]
        self.assertEqual(json.loads(self.run_attune("erase", "--leftovers", "--json"))["not_reached"], [])
        self.run_attune("erase", "email:" + email, "--yes")
        write(self.folder.name, "members.csv", "card,mail,tier", "b1,c1@b.example,plain")
        told = json.loads(self.run_attune("ingest", "members", "--data", self.folder.name, "--json"))
        self.assertEqual(told["sources"][0]["warnings"], [])
        # Her card alone, then only her address in a column that no mapping knows.
        for row in (f"{card},,gold", f"c9,write to {email.upper()},gold"):
            write(self.folder.name, "members.csv", "card,mail,tier", "b1,c1@b.example,plain", row)
            told = json.loads(self.run_attune("ingest", "members", "--data", self.folder.name, "--json"))
            self.assertIn("1 row names somebody who was erased", told["sources"][0]["warnings"][0])
            left = json.loads(self.run_attune("erase", "--leftovers", "--json"))["not_reached"]
            self.assertIn({"what": "lookup", "name": "members", "rows": 1}, left)
        self.assertIn("names somebody who was erased in 1 row", " ".join(self.run_attune("erase", "--leftovers").split()))
        self.run_attune("erase", "--leftovers", "card:b1", fails=True)
        self.run_attune("erase", fails=True)

    def test_a_mistake_is_lifted(self):
        self.load_all()
        before = self.traits()
        self.run_attune("erase", "email:" + WORDS["an identifier"], "--yes")
        self.run_attune("ingest", "--data", self.folder.name)
        self.run_attune("traits", "email:" + WORDS["an identifier"], fails=True)
        identifiers = ["email:" + WORDS["an identifier"], "card:" + WORDS["a second identifier"], "cookie:" + WORDS["a cookie"]]
        # One that nobody erased keeps none of the others out.
        lifted = json.loads(self.run_attune("erase", "--lift", "card:b1", *identifiers, "--json", fails=True))
        self.assertEqual(lifted["lifted"], identifiers, lifted)
        self.assertEqual([one["identifier"] for one in lifted["not_lifted"]], ["card:b1"])
        self.assertIn("not turned away", lifted["not_lifted"][0]["reason"])
        self.run_attune("erase", "--lift", identifiers[0], fails=True)
        self.run_attune("ingest", "--data", self.folder.name)
        after = self.traits()
        self.assertEqual(before["traits"], after["traits"])
        self.run_attune("fsck")


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    unittest.main()
