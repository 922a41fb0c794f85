"""The issuer of tokens that [oauth] names, ready to be asked."""

from __future__ import annotations

from twisted_mail.auth.inquiries import OAuth
from twisted_mail.auth.tokens import IntrospectedTokens, Issuer, RememberedTokens, SignedTokens, Tokens
from twisted_mail.config import Config, ConfigError
from twisted_mail.content import Blocking
from twisted_mail.delivery.routes import read_password


def oauth(config: Config, blocking: Blocking) -> OAuth | None:
    """None: tokens are not taken.  *blocking*: runs what waits for the issuer in a thread.  Raises ConfigError."""
    settings = config.oauth
    if not settings.issuer:
        return None
    issuer = Issuer(settings.issuer, settings.audience, settings.claim)
    tokens: Tokens
    try:
        if settings.introspection:
            secret = read_password(settings.client_secret_file) if settings.client_secret_file else ""
            tokens = IntrospectedTokens(issuer, settings.introspection, settings.client_id, secret)
        else:
            tokens = SignedTokens(issuer, settings.keys)
    except ImportError as error:
        raise ConfigError(f"{config.file}: [oauth] needs one more library: pip install twisted-mail[oauth]") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{config.file}: [oauth] client_secret_file: {error}") from error
    return OAuth(issuer, RememberedTokens(tokens), blocking)
