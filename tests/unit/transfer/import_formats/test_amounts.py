"""Hourly rates, amounts and currencies."""

import pytest

from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.values.currencies import parse_currency
from tests.support.import_reading import CLOCKIFY, file_notices, read, read_row


class TestCurrencies:
    @pytest.mark.parametrize(
        ("currency", "texts"),
        [
            ("EUR", "€, euros"),
            ("USD", "us$, usd$, u.s.$, $us, united states dollar, american dollar, american dollars, us dollars"),
            ("GBP", "£, british pound, british pounds, british pound sterling, pounds sterling"),
            ("CAD", "ca$, c$, can$, $ca, canadian dollars"),
            ("AUD", "a$, au$, australian dollars"),
            ("NZD", "nz$"),
            ("HKD", "hk$"),
            ("SGD", "s$, sg$"),
            ("BRL", "r$"),
            ("MXN", "mx$, mex$"),
            ("CHF", "sfr, sfr., fr., chf., swiss francs, schweizer franken"),
            ("CZK", "kč, kc, koruna česká, czech crown"),
            ("PLN", "zł, zl, złoty, polish zloty, polish złoty"),
            ("HUF", "ft"),
            ("SEK", "skr"),
            ("NOK", "nkr"),
            ("DKK", "dkr"),
            ("BGN", "лв, лв."),
            ("RUB", "₽"),
            ("UAH", "₴"),
            ("INR", "₹, indian rupees"),
            ("KRW", "₩"),
            ("ILS", "₪"),
            ("TRY", "₺"),
            ("VND", "₫"),
            ("THB", "฿"),
            ("NGN", "₦"),
            ("PHP", "₱"),
            ("KZT", "₸"),
            ("CRC", "₡"),
            ("GEL", "₾"),
            ("JPY", "japanese yen"),
            ("CNY", "chinese yuan, renminbi, yuan"),
        ],
    )
    def test_symbols_and_names_are_recognized(self, currency: str, texts: str) -> None:
        for text in texts.split(", "):
            assert parse_currency(text.upper()) == parse_currency(f" {text} ") == currency, text

    def test_code_in_a_text_of_more_than_100_characters_is_not_recognized(self) -> None:
        assert parse_currency(f"{'x' * 96} EUR") == "EUR"
        assert parse_currency(f"{'x' * 97} EUR") is None
        assert parse_currency(" ") is None


class TestAmounts:
    @pytest.mark.parametrize(
        ("text", "currency"),
        [
            ("EURO", "EUR"),
            ("€", "EUR"),
            ("eur ", "EUR"),
            ("Euro - EUR", "EUR"),
            ("US$", "USD"),
            ("USD $", "USD"),
            ("CHF ", "CHF"),
            ("Kč", "CZK"),
            ("zł", "PLN"),
            ("£", "GBP"),
        ],
    )
    def test_currency_is_recognized(self, text: str, currency: str) -> None:
        assert read_row(CLOCKIFY.format(text)).hourly_rate == (2_625, currency)
        in_a_column = f"start,hours,task,billable,rate per hour,currency\n2024-03-04 09:00,1.0,x,yes,26.25,{text}\n"
        assert read_row(in_a_column).hourly_rate == (2_625, currency)
        beside_the_number = f'start,hours,task,billable,rate per hour\n2024-03-04 09:00,1.0,x,yes,"26,25 {text}"\n'
        assert read_row(beside_the_number).hourly_rate == (2_625, currency)

    @pytest.mark.parametrize("text", ["$", "", "kr", "XXQ", "points"])
    def test_unknown_currency_gives_no_rate(self, text: str) -> None:
        result = read(CLOCKIFY.format(text))
        assert [(row.hourly_rate, row.takes_project_rate) for row in result.rows] == [(None, False)]
        assert [(notice.row, notice.column) for notice in result.notices] == [
            (0, f"Billable Rate ({text})"),
            (0, f"Billable Amount ({text})"),
        ]
        assert read_row(CLOCKIFY.format(text), currency="CAD").hourly_rate == (2_625, "CAD")

    @pytest.mark.parametrize(
        ("header", "value", "currency", "quoted"),
        [
            ("hourly rate", "$60", "", '"$"'),
            ("hourly rate (doubloons)", "60", "", '"doubloons"'),
            ("hourly rate", "60", "doubloons", '"doubloons"'),
            ("hourly rate", "$60", "doubloons", '"$"'),
            ("hourly rate", "60", "", "none is given"),
        ],
    )
    def test_notice_quotes_the_unknown_currency(self, header: str, value: str, currency: str, quoted: str) -> None:
        result = read(
            f"start,hours,task,billable,{header},currency\n2024-03-04 09:00,1.0,x,yes,{value},{currency}\n"
            f"2024-03-05 09:00,1.0,y,yes,{value},{currency}\n"
        )
        assert [notice.message for notice in result.notices] == [
            f"has no recognizable currency ({quoted}): 2 amounts were ignored; send the form field currency"
        ]

    def test_header_with_another_word_than_a_currency_is_no_rate(self) -> None:
        result = read("start,hours,task,billable,hourly rate due\n2024-03-04 09:00,1.0,x,yes,60\n", currency="EUR")
        assert result.ignored_columns == ["hourly rate due"]
        assert [row.hourly_rate for row in result.rows] == [None]

    def test_file_currency_overrides_the_default(self) -> None:
        assert read_row(CLOCKIFY.format("EUR"), currency="CAD").hourly_rate == (2_625, "EUR")

    @pytest.mark.parametrize(
        ("text", "amount"),
        [
            ("1.234,50", 123_450),
            ("1,234.50", 123_450),
            ("1 234,5", 123_450),
            ("1'234.50", 123_450),
            ("1.234.567", 123_456_700),
            ("60.0000", 6_000),
            ("60", 6_000),
            ("€60/h", 6_000),
            ("60,00 € pro Stunde", 6_000),
        ],
    )
    def test_number_formats_are_parsed(self, text: str, amount: int) -> None:
        file = f'start,hours,task,billable,hourly rate,currency\n2024-03-04 09:00,1.0,x,yes,"{text}",EUR\n'
        assert read_row(file).hourly_rate == (amount, "EUR")

    @pytest.mark.parametrize("text", ["1,234", "-5", "about 60", "free", "5 %", "(5)", "1e5"])
    def test_ambiguous_or_invalid_amount_gives_no_rate(self, text: str) -> None:
        result = read(f'start,hours,task,billable,hourly rate,currency\n2024-03-04 09:00,1.0,x,yes,"{text}",EUR\n')
        assert [(row.hourly_rate, row.takes_project_rate) for row in result.rows] == [(None, False)]
        assert [(notice.row, notice.column) for notice in result.notices] == [(1, "hourly rate")]

    @pytest.mark.parametrize(
        ("duration", "amount", "rate"),
        [
            ("1:30:00", "128.25", 8_550),
            ("0:45:00", "64.12", 8_550),
            ("0:45:00", "64.13", 8_550),
            ("0:10:00", "14.25", 8_550),
            ("1:00:00", "0.01", 1),
        ],
    )
    def test_rate_is_computed_from_the_amount(self, duration: str, amount: str, rate: int) -> None:
        header = "Description,Email,Billable,Start date,Start time,Duration,Amount (EUR)\n"
        result = read(f"{header}x,ada@example.com,Yes,2026-11-18,09:00:00,{duration},{amount}\n")
        assert [row.hourly_rate for row in result.rows] == [(rate, "EUR")]

    def test_amount_without_a_matching_rate_gives_a_notice(self) -> None:
        header = "Description,Email,Billable,Start date,Start time,Duration,Amount (EUR)\n"
        result = read(f"{header}x,ada@example.com,Yes,2026-11-18,09:00:00,0:00:00,5.00\n")
        assert [row.hourly_rate for row in result.rows] == [None]
        assert [notice.column for notice in result.notices] == ["Amount (EUR)"]

    def test_inconsistent_amount_gives_a_notice(self) -> None:
        result = read(CLOCKIFY.format("EUR").replace("13.13", "99.00"))
        assert [row.hourly_rate for row in result.rows] == [(2_625, "EUR")]
        assert result.notices == [
            RowMessage(
                1,
                "Billable Amount (EUR)",
                "is 99.00, which is not 1,800 seconds at 26.25 per hour: the hourly rate was used",
            )
        ]

    def test_amount_of_non_billable_time_gives_a_notice(self) -> None:
        header = "Description,Email,Billable,Start date,Start time,Duration,Amount (EUR)\n"
        result = read(f"{header}x,ada@example.com,No,2026-11-18,09:00:00,1:00:00,5.00\n")
        assert [(row.billable, row.hourly_rate) for row in result.rows] == [(False, None)]
        assert file_notices(result) == ["Amount (EUR) has an amount in 1 row of non-billable time: it was ignored"]

    def test_rate_takes_the_currency_of_the_amount_column(self) -> None:
        file = CLOCKIFY.replace("Billable Rate ({0})", "Billable Rate").format("EUR")
        assert read_row(file, format="clockify").hourly_rate == (2_625, "EUR")

    def test_row_with_a_rate_is_billable_by_default(self) -> None:
        result = read(
            "start,hours,task,hourly rate,currency\n2024-03-04 09:00,1.0,x,60,EUR\n2024-03-05 09:00,1.0,x,,\n"
        )
        assert [row.billable for row in result.rows] == [True, None]
        assert file_notices(result) == ["hourly rate makes 1 row billable: the file does not say whether they are"]

    def test_row_with_an_amount_per_hour_or_in_total_is_billable_by_default(self) -> None:
        result = read("start,hours,task,rate,currency\n2024-03-04 09:00,1.0,x,60,EUR\n")
        assert [row.billable for row in result.rows] == [True]
        assert file_notices(result)[1:] == ["rate makes 1 row billable: the file does not say whether they are"]

    def test_content_depends_on_the_price(self) -> None:
        prices = ["60,EUR", "60.00,EUR", "61,EUR", "60,USD", ","]
        lines = "".join(f"2024-03-04 09:00,1.0,x,no,{price}\n" for price in prices)
        rows = read(f"start,hours,task,billable,hourly rate,currency\n{lines}").rows
        first, *others = (row.content() for row in rows)
        assert [content == first for content in others] == [True, False, False, False]

    def test_ambiguous_rate_column_gives_a_notice(self) -> None:
        result = read("start,hours,task,billable,rate,currency\n2024-03-04 09:00,1.0,x,yes,60,EUR\n")
        assert file_notices(result) == ["rate was read as an hourly rate"]

    @pytest.mark.parametrize("header", ["client,task", "customer,task"])
    def test_rate_column_is_an_hourly_rate_without_the_headers_of_kimai(self, header: str) -> None:
        result = read(f"start,hours,{header},billable,rate,currency\n2024-03-04 09:00,2.0,a,x,yes,60,EUR\n")
        assert [row.hourly_rate for row in result.rows] == [(6_000, "EUR")]
