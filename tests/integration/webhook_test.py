#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Webhooks of SendGrid, Mailgun, Twilio and Amazon SES, and of any sender that signs by HMAC: signed here as the vendors document it, with keys
that are made for the test. Where whole requests of the vendors' kinds lie in a folder (--doors, or $ATTUNE_DOORS), those are sent, too.

usage: webhook_test.py ATTUNE [--doors FOLDER]
"""
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

ATTUNE = "attune"
DOORS = os.environ.get("ATTUNE_DOORS", "")
PLAYBOOK = """attune: 1
name: A shop
currency: USD
zone: UTC
customer: { identifiers: { email: {}, phone: {}, user_id: {} } }
sources:
  mail: { listen: /in/sendgrid, signature: { scheme: sendgrid, secret: env SENDGRID_KEY } }
  gun: { listen: /in/mailgun, signature: { scheme: mailgun, secret: env MAILGUN_KEY } }
  sms: { listen: /in/twilio, signature: { scheme: twilio, secret: env TWILIO_TOKEN, url: "https://in.example.org/twilio" } }
  ses: { listen: /in/ses, signature: { scheme: ses_sns, secret: env SES_CERTIFICATE } }
  fresh: { listen: /in/fresh, signature: { scheme: mailgun, secret: env MAILGUN_KEY, max_age: 5m } }
  unset: { listen: /in/unset, signature: { scheme: hmac_sha256, secret: env NOT_SET_ANYWHERE } }
  crm:
    listen: /in/crm
    signature: { scheme: hmac_sha256, secret: env CRM_SECRET, header: X-Crm-Signature }
    event: Call Ended
    channel: call_center
    time: ended
    key: { user_id: customer }
    row_key: call
    properties_at: .
events:
  Email Processed: { campaign: text }
  Email Opened: { campaign: text }
  Email Deferred: { campaign: text }
  Email Accepted: { campaign: text }
  Email Sent: { campaign: text }
  Message Queued: { sid: text }
  Message Sent: { sid: text }
  Message Received: { sid: text }
  Call Ended: { minutes: number }
traits:
  calls: count("Call Ended")
  minutes: sum("Call Ended".minutes)
"""


class Server:
    def __init__(self, secrets):
        self.folder = tempfile.mkdtemp(prefix="attune-webhook-")
        with open(os.path.join(self.folder, "playbook.yaml"), "w", encoding="utf-8") as file:
            file.write(PLAYBOOK)
        environment = {name: value for name, value in os.environ.items() if name != "NOT_SET_ANYWHERE"}
        self.process = subprocess.Popen([ATTUNE, "serve", "--playbook", "playbook.yaml", "--port", "0", "--host", "in.example.org"], cwd=self.folder,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**environment, **secrets})
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def close(self):
        self.process.terminate()
        self.process.communicate(timeout=60)
        shutil.rmtree(self.folder, True)

    def post(self, path, body, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        self.said = answer.read()
        connection.close()
        return answer.status

    def events(self, customer):
        """[(event, channel, time, properties)], the oldest first; None: nobody knows them."""
        done = subprocess.run([ATTUNE, "customer", customer, "--json"], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            return None
        timeline = json.loads(done.stdout)["timeline"]
        return [(event["event"], event["channel"], event["time"], event.get("properties") or {}) for event in timeline]

    def quarantined(self):
        done = subprocess.run([ATTUNE, "status", "--json"], cwd=self.folder, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["quarantined_rows"]


def openssl(*words, data=b""):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout


class Keys:
    """Made anew for each run of the test."""

    def __init__(self, folder):
        self.elliptic, self.rsa = os.path.join(folder, "ec.pem"), os.path.join(folder, "rsa.pem")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.elliptic)
        certificate = openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.rsa, "-subj", "/CN=sns.amazonaws.com", "-days", "30")
        spki = base64.b64encode(openssl("ec", "-in", self.elliptic, "-pubout", "-outform", "DER")).decode()
        self.secrets = {"SENDGRID_KEY": spki, "MAILGUN_KEY": "mailgun-secret", "TWILIO_TOKEN": "twilio-token", "CRM_SECRET": "crm-secret",
                        "SES_CERTIFICATE": certificate.decode()}


def sendgrid(key, body, time="1709650700"):
    signature = openssl("dgst", "-sha256", "-sign", key, data=time.encode() + body)
    return {"X_Twilio_Email_Event_Webhook_Signature": base64.b64encode(signature).decode(), "X_Twilio_Email_Event_Webhook_Timestamp": time}


def mailgun(event, time="1709650000", token="t" * 50, secret=b"mailgun-secret"):
    signature = hmac.new(secret, (time + token).encode(), hashlib.sha256).hexdigest()
    return json.dumps({"signature": {"timestamp": time, "token": token, "signature": signature}, "event-data": event}).encode()


def twilio(fields, url="https://in.example.org/twilio", token=b"twilio-token"):
    text = url + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.new(token, text.encode(), hashlib.sha1).digest()).decode()
    return {"X_Twilio_Signature": signature, "Content_Type": "application/x-www-form-urlencoded; charset=UTF-8"}


def sns(key, message, message_id, version="1", **more):
    envelope = {"Type": "Notification", "MessageId": message_id, "TopicArn": "arn:aws:sns:us-east-1:1:ses", "Message": json.dumps(message),
                "Timestamp": "2024-03-05T14:47:00.000Z", "SignatureVersion": version,
                "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem", **more}
    signed = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    text = "".join(f"{name}\n{envelope[name]}\n" for name in signed if name in envelope)
    envelope["Signature"] = base64.b64encode(openssl("dgst", "-sha1" if version == "1" else "-sha256", "-sign", key, data=text.encode())).decode()
    return envelope


class Webhooks(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="attune-keys-")
        cls.addClassCleanup(shutil.rmtree, folder, True)
        cls.keys = Keys(folder)
        cls.server = Server(cls.keys.secrets)
        cls.addClassCleanup(cls.server.close)

    def names(self, customer):
        return [event[0] for event in self.server.events(customer) or []]

    def test_sendgrid(self):
        events = [{"email": "sg@a.example", "timestamp": 1709650061, "event": kind, "sg_event_id": f"sg-{kind}", "campaign": "é", "ip": "192.0.2.9"}
                  for kind in ("processed", "delivered", "open", "click", "bounce", "dropped", "deferred", "spamreport", "group_resubscribe", "new_one")]
        body = json.dumps(events, ensure_ascii=False).encode() + b"\r\n"
        for _ in range(2):  # the second time it is a repeat
            self.assertEqual(self.server.post("/in/sendgrid", body, **sendgrid(self.keys.elliptic, body)), 200, self.server.said)
        self.assertEqual(sorted(self.names("email:sg@a.example")), sorted(
            ["Email Processed", "Treatment Delivered", "Email Opened", "Treatment Clicked", "Treatment Failed", "Treatment Failed", "Email Deferred",
             "Opt In Changed", "Email Resubscribed", "Email Event"]))
        delivered = next(event for event in self.server.events("email:sg@a.example") if event[0] == "Treatment Delivered")
        self.assertEqual(delivered[1:3], ("email", "2024-03-05T14:47:41Z"))
        self.assertNotIn("192.0.2.9", json.dumps(self.server.events("email:sg@a.example")))
        headers = sendgrid(self.keys.elliptic, body)
        for changed in (body.replace(b"bounce", b"Bounce"), body.rstrip(), b""):
            self.assertEqual(self.server.post("/in/sendgrid", changed, **headers), 401)
        self.assertEqual(self.server.post("/in/sendgrid", body), 401)
        self.assertEqual(self.server.post("/in/sendgrid", body, **{**headers, "X_Twilio_Email_Event_Webhook_Timestamp": "1709650701"}), 401)
        self.assertEqual(self.server.post("/in/sendgrid", body, **{**headers, "X_Twilio_Email_Event_Webhook_Signature": "AAAA"}), 401)
        self.assertEqual(self.server.post("/in/sendgrid", b"{}", **sendgrid(self.keys.elliptic, b"{}")), 400)
        self.assertEqual(self.server.post("/in/sendgrid", b"no", **sendgrid(self.keys.elliptic, b"no")), 400)

    def test_mailgun(self):
        for number, (kind, more) in enumerate([("accepted", {}), ("delivered", {}), ("opened", {}), ("clicked", {"url": "https://a.example/?x=y"}),
                                               ("failed", {"severity": "permanent", "delivery-status": {"message": "No such user"}}),
                                               ("failed", {"severity": "temporary"}), ("unsubscribed", {}), ("complained", {})]):
            event = {"id": f"mg-{number}", "event": kind, "timestamp": 1709650000.001 + number, "recipient": "MG@a.example",
                     "user-variables": {"campaign": "spring"}, **more}
            self.assertEqual(self.server.post("/in/mailgun", mailgun(event)), 200, self.server.said)
            self.assertEqual(self.server.post("/in/mailgun", mailgun(event, token="u" * 50)), 200)  # sent again
        self.assertEqual(self.names("email:mg@a.example"), ["Email Accepted", "Treatment Delivered", "Email Opened", "Treatment Clicked", "Treatment Failed",
                                                            "Email Deferred", "Opt In Changed", "Opt In Changed"])
        self.assertEqual(self.server.events("email:mg@a.example")[0][2], "2024-03-05T14:46:40.001Z")
        self.assertEqual(self.server.post("/in/mailgun", mailgun({"id": "x", "event": "delivered"}, secret=b"another")), 401)
        self.assertEqual(self.server.post("/in/mailgun", b"{}"), 401)
        self.assertEqual(self.server.post("/in/fresh", mailgun({"id": "x", "event": "delivered", "recipient": "old@a.example"})), 401)
        now = str(int(datetime.datetime.now().timestamp()))
        self.assertEqual(self.server.post("/in/fresh", mailgun({"id": "y", "event": "delivered", "recipient": "new@a.example"}, time=now)), 200)
        self.assertIsNone(self.server.events("email:old@a.example"))

    def send_sms(self, **fields):
        body = urllib.parse.urlencode(fields)
        return self.server.post("/in/twilio", body, **twilio(fields))

    def test_twilio(self):
        to = {"To": "+13125550101", "From": "+13125550100"}
        for status in ("queued", "sent", "delivered", "delivered", "undelivered"):
            self.assertEqual(self.send_sms(MessageSid="SM1", MessageStatus=status, ErrorMessage="a & b + c", **to), 200, self.server.said)
            self.assertEqual(self.server.said, b"")
        self.assertEqual(sorted(self.names("phone:+13125550101")), ["Message Queued", "Message Sent", "Treatment Delivered", "Treatment Failed"])
        fields = {"MessageSid": "SM1", "MessageStatus": "read", **to}
        self.assertEqual(self.server.post("/in/twilio", urllib.parse.urlencode({**fields, "To": "+1"}), **twilio(fields)), 401)
        self.assertEqual(self.server.post("/in/twilio", urllib.parse.urlencode(fields), **twilio(fields, url="https://elsewhere.example/twilio")), 401)
        self.assertEqual(self.server.post("/in/twilio", json.dumps(fields), **{**twilio(fields), "Content_Type": "application/json"}), 401)
        self.assertEqual(self.server.post("/in/twilio", ""), 401)

    def test_replies_are_never_a_yes(self):
        held = self.server.quarantined()
        for number, (body, more, event) in enumerate([
                ("STOP", {"OptOutType": "STOP"}, "Opt In Changed"), ("stop", {}, "Opt In Changed"), ("START", {"OptOutType": "START"}, "Message Received"),
                ("yes please", {}, "Message Received"), ("line\none", {}, "Message Received")]):
            phone = f"+1415555020{number}"
            self.assertEqual(self.send_sms(MessageSid=f"RE{number}", From="whatsapp:" + phone, To="+1", Body=body, **more), 200, self.server.said)
            self.assertEqual(self.names("phone:" + phone), [event], body)
        self.assertEqual(self.server.quarantined(), held)
        self.assertEqual(self.send_sms(MessageSid="RE9", From="+14155550209", To="+1", Body="please Stop writing"), 200)
        self.assertEqual(self.server.quarantined(), held + 1)

    def test_amazon(self):
        mail = {"timestamp": "2024-03-05T14:46:40.123Z", "messageId": "s1", "destination": ["ses@a.example"], "tags": {"campaign": ["spring"]}}
        bounce = {"eventType": "Bounce", "mail": mail, "bounce": {"bounceType": "Permanent", "timestamp": "2024-03-05T14:46:52.450Z", "bouncedRecipients": [
            {"emailAddress": "SES@A.EXAMPLE"}, {"emailAddress": "ses2@a.example"}]}}
        for number, (message, version) in enumerate([({"eventType": "Send", "mail": mail, "send": {}}, "1"), (bounce, "2"), (
                {"eventType": "Complaint", "mail": mail, "complaint": {"complainedRecipients": [{"emailAddress": "ses@a.example"}]}}, "1")]):
            body = json.dumps(sns(self.keys.rsa, message, f"id-{number}", version, Subject="a \"subject\""))
            for _ in range(2):
                self.assertEqual(self.server.post("/in/ses", body, Content_Type="text/plain"), 200, self.server.said)
        self.assertEqual(sorted(self.names("email:ses@a.example")), ["Email Sent", "Opt In Changed", "Treatment Failed"])
        self.assertEqual(self.names("email:ses2@a.example"), ["Treatment Failed"])
        good = sns(self.keys.rsa, bounce, "id-9")
        for change in ({"MessageId": "id-10"}, {"Signature": "AAAA"}, {"SignatureVersion": "3"}, {"Message": "{}"},
                       {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.evil.example/x.pem"}, {"SigningCertURL": "http://sns.us-east-1.amazonaws.com/x"},
                       {"SigningCertURL": "https://sns.a@evil.example/.amazonaws.com"}):
            self.assertEqual(self.server.post("/in/ses", json.dumps({**good, **change})), 401, change)

    def test_a_missing_secret_is_found_before_the_start(self):
        folder = tempfile.mkdtemp(prefix="attune-secret-")
        self.addCleanup(shutil.rmtree, folder, True)
        shutil.copy(os.path.join(self.server.folder, "playbook.yaml"), folder)
        environment = {**{name: value for name, value in os.environ.items() if name != "NOT_SET_ANYWHERE"}, **self.keys.secrets}
        done = subprocess.run([ATTUNE, "serve", "--check", "--playbook", "playbook.yaml", "--port", "0"], cwd=folder, env=environment, capture_output=True,
                              text=True, check=True)
        self.assertEqual([line for line in done.stdout.splitlines() if "$" in line],
                         ["warning: source unset listens at /in/unset, and $NOT_SET_ANYWHERE is not set here: its requests would be refused with 503 until "
                          "the server is started with it"])

    def test_any_sender(self):
        def signed(body):
            return hmac.new(b"crm-secret", body, hashlib.sha256)
        body = json.dumps({"call": "c1", "customer": "u1", "ended": "2024-03-05T14:00:00Z", "minutes": 3}).encode()
        self.assertEqual(self.server.post("/in/crm", body, X_Crm_Signature=signed(body).hexdigest()), 200, self.server.said)
        self.assertEqual(self.server.post("/in/crm", body, X_Crm_Signature="sha256=" + signed(body).hexdigest()), 200)
        self.assertEqual(self.server.post("/in/crm", body, X_Crm_Signature=base64.b64encode(signed(body).digest()).decode()), 200)
        self.assertEqual(self.names("user_id:u1"), ["Call Ended"])
        many = json.dumps([{"call": "c2", "customer": "u1", "ended": "2024-03-05T15:00:00Z", "minutes": 4}, 7]).encode()
        self.assertEqual(self.server.post("/in/crm", many, X_Crm_Signature=signed(many).hexdigest()), 200, self.server.said)
        form = b"call=c3&customer=u1&ended=2024-03-05T16%3A00%3A00Z&minutes=5"
        self.assertEqual(self.server.post("/in/crm", form, X_Crm_Signature=signed(form).hexdigest(), Content_Type="application/x-www-form-urlencoded"), 200)
        self.assertEqual(self.names("user_id:u1"), ["Call Ended"] * 3)
        for signature in ("", "zz", signed(b"other").hexdigest(), signed(body).hexdigest()[:-2], signed(body).hexdigest() + "00"):
            self.assertEqual(self.server.post("/in/crm", body, X_Crm_Signature=signature), 401, signature)
        self.assertEqual(self.server.post("/in/crm", body), 401)
        self.assertEqual(self.server.post("/in/unset", body, X_Signature=signed(body).hexdigest()), 503)
        self.assertEqual(self.server.post("/in/nobody", body), 404)
        crowd = b"[" + b"{}," * 10000 + b"{}]"
        self.assertEqual(self.server.post("/in/crm", crowd, X_Crm_Signature=signed(crowd).hexdigest()), 413)
        self.assertIn("more than 10000 rows", str(self.server.said))


class Doors(unittest.TestCase):
    """Whole requests, with what is right for each."""

    def send_all(self, name, secret, variable, path):
        folder = os.path.join(DOORS, "webhook_" + name)
        if not DOORS or not os.path.isdir(folder):
            self.skipTest(f"{folder or 'no folder of requests'} is not there")
        with open(os.path.join(folder, secret), encoding="utf-8") as file:
            server = Server({variable: file.read().strip()})
        self.addCleanup(server.close)
        with open(os.path.join(folder, "expect.json"), encoding="utf-8") as file:
            expect = json.load(file)
        for request in expect["requests"]:
            with open(os.path.join(folder, request["file"]), "rb") as file:
                head, body = file.read().split(b"\r\n\r\n", 1)
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
            headers.pop("Content-Length")
            code = server.post(path, body, **headers)
            self.assertEqual(code, 200 if request["right"].startswith("accept") else 401, (request, server.said))
        self.assertEqual(server.quarantined(), 0)
        return expect, server

    def check(self, name, secret, variable, path, identifier):
        expect, server = self.send_all(name, secret, variable, path)
        status = json.loads(subprocess.run([ATTUNE, "status", "--json"], cwd=server.folder, capture_output=True, text=True, check=True).stdout)
        self.assertEqual(status["events"], sum(sum(by_channel.values()) for by_channel in expect["events"].values()))
        self.assertEqual(status["customers"], expect["customers"][identifier])
        for spot in expect["spots"]:
            found = [event for event in server.events(f"{identifier}:{spot['ids'][identifier]}")
                     if event[:2] == (spot["event"], spot["channel"]) and all(str(event[3].get(key)) == value or (key, value) == ("state", "no")
                                                                              for key, value in spot["properties"].items())]
            self.assertEqual(len(found), 1, (spot, server.events(f"{identifier}:{spot['ids'][identifier]}")))
            if spot["time"]:
                self.assertEqual(found[0][2], spot["time"])

    def test_sendgrid(self):
        self.check("sendgrid", "public_key.txt", "SENDGRID_KEY", "/in/sendgrid", "email")

    def test_mailgun(self):
        self.check("mailgun", "signing_key.txt", "MAILGUN_KEY", "/in/mailgun", "email")

    def test_twilio(self):
        self.check("twilio", "auth_token.txt", "TWILIO_TOKEN", "/in/twilio", "phone")

    def test_amazon(self):
        self.check("ses_sns", "signing-cert.pem", "SES_CERTIFICATE", "/in/ses", "email")


if __name__ == "__main__":
    ATTUNE = os.path.abspath(sys.argv.pop(1))
    if "--doors" in sys.argv:
        at = sys.argv.index("--doors")
        DOORS = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    unittest.main()
