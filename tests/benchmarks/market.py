"""A PostgreSQL database of its own with many leads and buyers, filled by SQL, for measuring purchases."""

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

_CODES = """AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH
OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY"""

ROOT = Path(__file__).resolve().parent.parent.parent
PRICE = 2_500
BALANCE = 100_000_000

_FILL = """
SET session_replication_role = replica;
INSERT INTO leads_supplier (slug, name, grade) VALUES ('bench', 'Bench', 'B');
INSERT INTO leads_consentwording (sha256, text) VALUES ('{zeros}', 'I agree');
INSERT INTO leads_consent (id, wording_id, given_at, page, named_sellers, provider, certificate_url)
    SELECT n, (SELECT max(id) FROM leads_consentwording), now(), 'https://quotes.example.net/', '', '', ''
    FROM generate_series(1, {leads}) n;
INSERT INTO leads_lead (id, public_id, vertical_id, supplier_id, supplier_reference, city, state, postal_code,
        time_zone, attributes, asked_at, listed_at, status, slots_total, slots_sold, base_cents, price_cents, age_band,
        origin_site, origin_policy_url, landing_page, original_source, consent_id, is_certified)
    SELECT n, 'bench' || n, (SELECT min(id) FROM leads_vertical) + n % 10, (SELECT max(id) FROM leads_supplier), '',
        'Columbus', (ARRAY['OH','IN','TX','CA','FL','NY'])[1 + n % 6], '43215',
        'America/New_York', '{{}}', now() - n * interval '20 s', now() - n * interval '20 s', 'open', 3, 0,
        {price}, {price}, 0, 'quotes.example.net', 'https://quotes.example.net/privacy', '', '', n, false
    FROM generate_series(1, {leads}) n;
INSERT INTO leads_leadcontact (lead_id, sealed, phone_digest, email_digest, first_name_digest, last_name_digest)
    SELECT n, '', md5('p' || n) || md5('q' || n), md5('e' || n) || md5('f' || n), md5('n' || n % 5000),
        md5('m' || n % 9000)
    FROM generate_series(1, {leads}) n;
INSERT INTO accounts_user (id, password, is_superuser, public_id, email, handle, email_verified_at, adult_stated_at,
        is_active, is_staff, date_joined, first_purchase_at, business_name, phone, preferred_channel, licensed_states,
        time_zone, theme)
    SELECT n, '', false, 'buyer' || n, 'buyer' || n || '@example.org', 'buyer' || n, now(), now(), true, false, now(),
        now(), '', '', 'email', '[]', '', 'system'
    FROM generate_series(1, {buyers}) n;
INSERT INTO account_emailaddress (email, verified, "primary", user_id)
    SELECT email, true, true, id FROM accounts_user;
INSERT INTO policy_acceptance (user_id, version_id, sha256, surface, accepted_at)
    SELECT u.id, v.id, v.sha256, 'bench', now() FROM accounts_user u, policy_policyversion v;
INSERT INTO ledger_account (kind, owner_id, debits, credits, last_transfer)
    SELECT k, u.id, 0, 0, 0 FROM accounts_user u, unnest(ARRAY['cash', 'bonus', 'owed']) k ORDER BY u.id, k;
SET session_replication_role = DEFAULT;
INSERT INTO ledger_transfer (debit_id, credit_id, amount, kind, reference, line, created_at)
    SELECT (SELECT id FROM ledger_account WHERE kind = 'processor'), a.id, {balance}, 'deposit', 'bench:' || a.id, 0,
        now()
    FROM ledger_account a WHERE a.kind = 'cash';
SELECT setval(pg_get_serial_sequence('leads_lead', 'id'), {leads}),
    setval(pg_get_serial_sequence('accounts_user', 'id'), {buyers});
"""


# A stock as it is in life, for looking at: listed over a year, three hundred cities of different size, every kind.
_SCATTER = """
SET session_replication_role = replica;
INSERT INTO leads_zipcode (code, city, state, latitude, longitude, time_zone)
    SELECT lpad((10000 + c)::text, 5, '0'), 'City ' || c, ({states})[1 + c % 51], 27 + (c * 7919 % 2000) / 100.0,
        -122 + (c * 104729 % 5000) / 100.0, 'America/Chicago'
    FROM generate_series(0, 299) c ON CONFLICT DO NOTHING;
UPDATE leads_lead l SET vertical_id = first.id + (l.id * 31 % 97) % 10, state = z.state, city = z.city,
        postal_code = z.code, latitude = z.latitude, longitude = z.longitude,
        asked_at = now() - l.id * interval '364 days' / {leads},
        listed_at = now() - l.id * interval '364 days' / {leads},
        slots_total = 1 + (l.id * 17) % 3, is_certified = (l.id * 13) % 5 < 2,
        price_cents = 100 + (l.id * 48271 % 30000) * (l.id % 7) / 7, age_band = 0
    FROM leads_zipcode z, (SELECT min(id) AS id FROM leads_vertical) first
    WHERE z.code = lpad((10000 + floor(300 * power((l.id * 16807 % 9973) / 9973.0, 2)))::int::text, 5, '0');
SET session_replication_role = DEFAULT;
"""


class Market:
    """The filled database: its address, and the environment in which the site's code runs on it."""

    def __init__(self, leads: int, buyers: int) -> None:
        self.leads, self.buyers = leads, buyers
        self.name = f"bench_{secrets.token_hex(4)}"
        server = os.environ["TEST_DATABASE_URL"]
        self.url = urlunsplit(urlsplit(server)._replace(path=f"/{self.name}"))
        self.admin = urlunsplit(urlsplit(server)._replace(path="/postgres"))
        key = "b:" + "A" * 43 + "="
        self.env = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "marketplace.settings",
            "LEADFAIR_VAR": os.environ["LEADFAIR_VAR"],
            "SECRET_KEY": "bench" * 12,
            "SEALING_KEYS": key,
            "DIGEST_KEYS": key,
            "DATABASE_URL": self.url,
            "REDIS_URL": os.environ["TEST_REDIS_URL"],
            "SITE_URL": "https://127.0.0.1",
            "STRIPE_SECRET_KEY": "sk_test_bench",
            "STRIPE_WEBHOOK_SECRETS": "whsec_bench",
            "TRUSTED_PROXY_COUNT": "1",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
        }

    def sql(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def make(self) -> None:
        """Create, migrate and fill it."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{self.name}"')
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=self.env, check=True)
        fill = _FILL.format(zeros="0" * 64, leads=self.leads, buyers=self.buyers, price=PRICE, balance=BALANCE)
        self.sql(fill)
        self.sql("VACUUM ANALYZE", "CHECKPOINT")

    def scatter(self) -> None:
        """Make the leads differ as they do in life."""
        states = "ARRAY[" + ", ".join(f"'{code}'" for code in _CODES.split()) + "]"
        self.sql(_SCATTER.format(states=states, leads=self.leads), "VACUUM FULL ANALYZE leads_lead", "CHECKPOINT")

    def drop(self) -> None:
        """Remove it."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


@contextlib.contextmanager
def market(leads: int, buyers: int) -> Iterator[Market]:
    """A filled database that is gone afterwards."""
    made = Market(leads, buyers)
    try:
        made.make()
        yield made
    finally:
        made.drop()


_BODY = """
SELECT kind, id, credits - debits FROM ledger_account WHERE owner_id = :b ORDER BY id FOR NO KEY UPDATE;
SELECT 1 FROM wallet_dispute WHERE buyer_id = :b AND is_open LIMIT 1;
SELECT a.sha256 FROM policy_acceptance a JOIN policy_policyversion v ON v.id = a.version_id
    WHERE a.user_id = :b AND v.document = 'terms' ORDER BY v.number DESC LIMIT 1;
SELECT c.lead_id, p.public_id FROM leads_leadcontact c
    JOIN leads_leadcontact o ON o.phone_digest = c.phone_digest
    JOIN purchases_purchase p ON p.lead_id = o.lead_id AND p.buyer_id = :b
    WHERE c.lead_id IN (:l) AND (p.created_at >= now() - interval '90 days' OR p.lead_id = c.lead_id)
UNION ALL
SELECT c.lead_id, p.public_id FROM leads_leadcontact c
    JOIN leads_leadcontact o ON o.email_digest = c.email_digest AND c.email_digest <> ''
    JOIN purchases_purchase p ON p.lead_id = o.lead_id AND p.buyer_id = :b
    WHERE c.lead_id IN (:l) AND p.created_at >= now() - interval '90 days';
"""
_CLAIM = """
UPDATE leads_lead SET slots_sold = slots_sold + 1,
    status = CASE WHEN slots_sold + 1 = slots_total THEN 'sold' ELSE status END
    WHERE id = :l AND status = 'open' AND slots_sold < slots_total AND price_cents = {price}
    AND NOT EXISTS (SELECT 1 FROM leads_consent c WHERE c.id = leads_lead.consent_id
        AND (c.revoked_at IS NOT NULL OR c.expires_at <= now()))
    RETURNING slots_sold \\gset
"""
_WRITE = """
INSERT INTO purchases_order (public_id, buyer_id, key, request_hash, created_at)
    VALUES (left(md5(:r::text), 14), :b, md5(:r::text), repeat('0', 64), now())
    ON CONFLICT (buyer_id, key) DO NOTHING RETURNING id AS o \\gset
INSERT INTO purchases_purchase (public_id, order_id, buyer_id, lead_id, slot_number, price_cents, terms_sha256, stage,
        created_at)
    VALUES (left(md5(:r::text), 14), :o, :b, :l, :slots_sold, {price}, repeat('0', 64), 'new', now()) RETURNING id;
INSERT INTO ledger_transfer (debit_id, credit_id, amount, kind, reference, line, reverses_id, created_at)
    VALUES ((SELECT id FROM ledger_account WHERE owner_id = :b AND kind = 'cash'),
        (SELECT id FROM ledger_account WHERE kind = 'revenue' AND owner_id IS NULL),
        {price}, 'purchase', 'purchase:' || left(md5(:r::text), 14), 0, NULL, now());
INSERT INTO mail_outgoingemail (public_id, user_id, category, template, key, context, state, attempts, available_at,
        claim, problem, created_at)
    VALUES (left(md5(:r::text), 14), :b, 'receipt', 'purchases/email/receipt', 'purchase:' || md5(:r::text),
        repeat('x', 700), 'queued', 0, now(), '', '', now()) ON CONFLICT DO NOTHING;
"""


def pgbench_script(lead: str, buyer: str) -> str:
    """The statements of a purchase, one round trip each, as pgbench speaks them."""
    head = f"\\set b {buyer}\n\\set l {lead}\n\\set r random(1, 9000000000000000000)\nBEGIN;\n"
    return head + _BODY + _CLAIM.format(price=PRICE) + _WRITE.format(price=PRICE) + "COMMIT;\n"
