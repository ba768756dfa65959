from inference.bulk.rejects import encode_rejects
from inference.tables.rows import Reject


def test_rejects_are_a_table_of_lines_and_reasons() -> None:
    rejects = [Reject(7, "expected ',' after"), Reject(9, "the text is blank")]
    assert encode_rejects(rejects) == (
        b"line,reason,excerpt\n7,\"expected ',' after\",\n9,the text is blank,\n"
    )
