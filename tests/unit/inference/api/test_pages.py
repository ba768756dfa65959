import base64
import hashlib
import re

import pytest

from inference.api.pages import render_page


@pytest.mark.parametrize("name", ["index.html", "docs.html"])
def test_a_page_may_run_its_own_script_and_style_only(name: str) -> None:
    # GIVEN a page WHEN it is rendered
    response = render_page(name)
    # THEN its policy allows what has the hash of its script and of its style, and nothing else
    html, policy = response.body or "", response.headers["Content-Security-Policy"]
    for element, directive in [("script", "script-src"), ("style", "style-src")]:
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert str(policy).startswith("default-src 'none';")
