"""The unique-ids in the lists of other servers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.moving.letter import MovingError
from twisted_mail.moving.uidlists import from_courier, from_dovecot

DOVECOT = [
    "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1",
    "25006 W2481 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,S",
    "25017 G0123abcd W2481 P0000000aolder :1276533073.M242911P3632.kurkku:2,F",
    "25020 :name with spaces",
    "",
    "rubbish",
]
COURIER = [
    "/3 25 1275660208",
    "1276528487.M364837P9451.kurkku,S=1355:2,S 1355 7:1275660208:0",
    "1276528488.old.kurkku 1355 8:0",
    "1276528489.M1+\x80.kurkku 1355 0:0:0",
    "rubbish",
]


class DovecotTests(SynchronousTestCase):
    def test_format_of_dovecot_is_eight_hex_digits_of_each_number(self) -> None:
        names = from_dovecot(DOVECOT)
        self.assertEqual("000061ae4c0907b0", names["1276528487.M364837P9451.kurkku,S=1355,W=1394"])
        self.assertEqual("000061bc4c0907b0", names["name with spaces"])
        self.assertEqual(3, len(names))

    def test_unique_id_that_dovecot_itself_has_kept_counts(self) -> None:
        self.assertEqual("0000000aolder", from_dovecot(DOVECOT)["1276533073.M242911P3632.kurkku"])

    def test_other_formats(self) -> None:
        for template, uid in (
            ("%v.%u", "1275660208.25006"),
            ("%Xv%Xu", "4c0907b061ae"),
            ("UID%u-%v", "UID25006-1275660208"),
            ("%f", "1276528487.M364837P9451.kurkku,S=1355,W=1394"),
            ("%g", "1276528487.M364837P9451.kurkku,S=1355,W=1394"),
            ("100%%", "100%"),
        ):
            names = from_dovecot(DOVECOT, template)
            self.assertEqual(uid, names["1276528487.M364837P9451.kurkku,S=1355,W=1394"], template)

    def test_format_that_needs_the_message_is_refused(self) -> None:
        for template in ("%m", "%08Xu%q", ""):
            self.assertRaises(MovingError, from_dovecot, DOVECOT, template)

    def test_oldest_version(self) -> None:
        self.assertEqual({"a:b"[:1]: "0000000500000007"}, from_dovecot(["1 7 6", "5 a:2,S"]))

    def test_what_is_no_such_list_is_refused(self) -> None:
        for lines in ([""], ["2 V1 N2"], ["3 Vx N2"], ["hello"]):
            self.assertRaises(MovingError, from_dovecot, lines)


class CourierTests(SynchronousTestCase):
    def test_numbers_and_older_forms(self) -> None:
        self.assertEqual(
            {
                "1276528487.M364837P9451.kurkku,S=1355": "UID7-1275660208",
                "1276528488.old.kurkku": "UID8",
                "1276528489.M1+\x80.kurkku": "1276528489.M1+2B+C2+80.kurkku",
            },
            from_courier(COURIER),
        )

    def test_unknown_version_has_none(self) -> None:
        self.assertEqual({}, from_courier(["/1 2 3", "a 5 1:2"]))
