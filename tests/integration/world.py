# SPDX-License-Identifier: Apache-2.0
"""A small grocer that has every name that README and the helps use: household:1029, mail_campaign/18, redeem, web, orders.csv:7 …"""
import gzip
import os

PLAYBOOK = """attune: 1
name: A small grocer
currency: USD
zone: America/New_York
customer: { identifiers: { household: {}, email: {}, cookie: {} } }
sources:
  campaign: { file: "campaigns*.csv", lookup: campaign_id, types: { start_date: time, end_date: time } }
  orders:
    file: "orders*.csv"
    event: Order Completed
    channel: store
    time: at
    one_event_per: order_id
    key: { household: household, email: email }
    row_key: order_id
    types: { amount: money }
    properties: { revenue: sum(amount), items: [item, amount] }
  contacts:
    file: "contacts*.csv"
    event: Treatment Delivered
    channel: mail
    time: at
    key: { household: household }
    row_key: "{household}/{campaign_id}"
    properties: { treatment: "mail_campaign/{campaign_id}", campaign_id: campaign_id }
  redemptions:
    file: "redemptions*.csv"
    event: Coupon Redeemed
    channel: store
    time: at
    key: { household: household }
    row_key: "{household}/{campaign_id}"
    properties: { campaign_id: campaign_id }
  web: { file: "web*.ndjson*", key: { cookie: anonymousId, email: context.traits.email } }
  page: { file: "page*.ndjson*", trust: public, key: { cookie: anonymousId, email: context.traits.email } }
events: { Clicked: { button: text } }
lifetime:
  shop: { orders: Order Completed, value: revenue }
traits:
  spend_365d: { is: sum("Order Completed".revenue) in 365d, says: the amount spent in the last 365 days }
  orders_90d: { is: count("Order Completed") in 90d, says: the number of orders in the last 90 days }
  recency: since("Order Completed")
  frequent: orders_90d >= 3
  spend_a_visit: sum("Order Completed".revenue) in last 3 visits
  mean_order: spend_365d / orders_90d
goals:
  redeem: { event: Coupon Redeemed, within: 30d, value: 4 }
models:
  redeem: { goal: redeem, features: [spend_365d, orders_90d] }
scenarios:
  regulars: { when: orders_90d >= 3, goals: [redeem] }
actions:
  mail_campaign:
    for_each: campaign
    title: "Campaign {campaign_id}"
    available: action.start_date <= now and now < action.end_date
    goal: redeem
    model: redeem
    cost: 0.35 USD
    channels: { mail: { content: { head: "Campaign {campaign_id}" } } }
placements: { shelf: { channels: [mail], fallback: { head: Welcome } } }
context: { aisle: text }
policies:
  - { at_most: 2, in: 30d, channel: mail }
  - { after: Treatment Delivered, of: same treatment, wait: 180d }
budgets: { letters: { contacts: 5000, per: month, channels: [mail] }, seen: { at_least: 1, per: month } }
holdout: { share: 5%, salt: grocer }
decide: { lists: { mail: { household: household, spent: spend_365d } } }
"""
HOUSEHOLDS = range(960, 1100)
CAMPAIGNS = [(number, 1 + (number - 9) // 2, 5 + 14 * (number % 2)) for number in range(9, 33)]  # number, month, day of its start


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with (gzip.open if name.endswith(".gz") else open)(path, "wb") as file:
        file.write(text.encode())
    return path


def dice(*parts):
    """A number in [0, 1) that is the same for ever."""
    seed = 17
    for part in parts:
        seed = (seed * 1000003 + int(part) + 12345) % 2147483647
    return seed * 48271 % 2147483647 / 2147483647


def make(folder):
    """playbook.yaml, files/ and, beside them, the single files that the helps name."""
    campaigns = [(number, month, day) for number, month, day in CAMPAIGNS if month <= 12]
    write(folder, "playbook.yaml", PLAYBOOK)
    write(folder, "mended.yaml", PLAYBOOK)
    write(folder, "files/campaigns.csv", "campaign_id,start_date,end_date\n" + "".join(
        f"{number},2017-{month:02}-{day:02},2018-01-{day:02}\n" for number, month, day in campaigns))
    orders, contacts, redemptions = ["order_id,at,household,email,item,amount"], ["at,household,campaign_id"], ["at,household,campaign_id"]
    orders += [f"{n},2017-01-0{n} 09:00,1029,a@b.example,milk,{n}.50" for n in range(1, 6)]
    orders += ["6,2017-01-06 09:00,1029,a@b.example,milk,a lot"]  # line 7
    for household in HOUSEHOLDS:
        often = dice(household)
        for week in range(52):
            if dice(household, week) < 0.1 + 0.5 * often:
                orders.append(f"{household}{week:02},2017-{1 + week // 5:02}-{2 + 5 * (week % 5):02} 17:20,{household},,bread,{5 + 20 * dice(week, household):.2f}")
        for number, month, day in campaigns:
            if dice(household, number, 1) < 0.4:
                contacts.append(f"2017-{month:02}-{day:02} 08:00,{household},{number}")
                if dice(household, number, 2) < 0.6 * often * often:
                    redemptions.append(f"2017-{month:02}-{day + 5:02} 12:00,{household},{number}")
    contacts.append("2017-10-30 08:00,1029,18")
    contacts += ["2017-03-30 08:00,1031,99", "2017-11-02 08:00,1032,99"]  # of no campaign
    for name, lines in (("orders", orders), ("contacts", contacts), ("redemptions", redemptions)):
        write(folder, f"files/{name}.csv", "\n".join(lines) + "\n")
    seen = '{"event":"Clicked","anonymousId":"k1","messageId":"m%d","timestamp":"2017-10-0%dT08:00:00Z","properties":{"button":"pay"}%s}\n'
    write(folder, "files/web.ndjson", seen % (1, 1, ',"context":{"traits":{"email":"a@b.example"}}'))
    page = seen.replace('"k1"', '"p1"').replace('"m', '"p')
    write(folder, "files/page.ndjson", page % (1, 4, ',"context":{"traits":{"email":"a@b.example"}}'))
    write(folder, "their_decisions.csv", "customer,action,probability,reward,revenue,new_probability,channel\n" + "".join(
        f"{n // 2},{'ab'[n % 2]},0.5,{int(dice(n, 5) < .2 + .2 * (n % 2))},{dice(n, 6):.2f},{.25 + .5 * (n % 2)},{'mail' if n % 3 else 'web'}\n"
        for n in range(600)) + "1,a,0,1,1,0.5,web\n")
    write(folder, "events-2017-10.ndjson.gz", seen % (2, 2, "") + seen % (3, 3, ""))
