from modeling_davihd.wording import quoted, short, some


def test_a_few_names_stand_for_many():
    assert some(["b", "a"]) == "a, b"
    assert some(map(str, range(9))) == "0, 1, 2, 3, 4 and 4 more"
    assert some("abc", limit=2) == "a, b and 1 more"


def test_quotes_are_short_and_move_no_cursor():
    assert quoted("\x1b[2Jkey\n") == "\ufffd[2Jkey\ufffd"
    assert len(quoted("k" * 10**6)) == 160 and quoted("k" * 10**6).endswith("k...")
    assert len(short("v" * 10**6)) == 80 and short("a\n") == "'a\\n'"
