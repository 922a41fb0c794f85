"""The texts of texts.py in other languages (RFC 6856 §3).  A language is one table; a new one needs a row in LANGUAGES.

Response codes, command names and CAPA are not translated: they are for programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from twisted_mail.pop3.texts import Text

GERMAN: Mapping[Text, str] = {
    Text.READY: "{hostname} POP3-Server bereit",
    Text.GOODBYE: "Auf Wiedersehen",
    Text.CAPABILITIES: "Es folgen die Fähigkeiten",
    Text.MECHANISMS: "Es folgen die Anmeldeverfahren",
    Text.BEGIN_TLS: "Jetzt TLS beginnen",
    Text.SEND_PASSWORD: "Bitte das Passwort senden",
    Text.LOGGED_IN: "Angemeldet; Nachrichten: {count}, Oktette: {octets}",
    Text.MESSAGES: "Nachrichten: {count}, Oktette: {octets}",
    Text.UNIQUE_IDS: "Es folgen die Kennungen",
    Text.OCTETS: "{octets} Oktette",
    Text.TOP_FOLLOWS: "Es folgt der Anfang der Nachricht",
    Text.MARKED: "Nachricht {number} zum Löschen vorgemerkt",
    Text.NOTHING_DELETED: "Nichts ist zum Löschen vorgemerkt; Nachrichten: {count}, Oktette: {octets}",
    Text.NOTHING_DONE: "Nichts getan",
    Text.UPDATED: "Auf Wiedersehen; gelöschte Nachrichten: {count}",
    Text.UNKNOWN_COMMAND: "Unbekannter Befehl; CAPA zeigt, was dieser Server kann",
    Text.EMPTY_LINE: "Leere Zeile; bitte einen Befehl senden, oder QUIT zum Beenden",
    Text.LINE_TOO_LONG: "Die Zeile ist zu lang",
    Text.BAD_LINE: "Eine Zeile muss mit CR LF enden und darf weder CR noch NUL enthalten",
    Text.NO_ARGUMENT: "{verb} hat keine Angaben",
    Text.ARGUMENT_MISSING: "{verb} braucht eine Angabe",
    Text.NUMBER_NEEDED: "{verb} braucht die Nummer einer Nachricht, wie in {verb} 1",
    Text.NUMBERS_NEEDED: "{verb} braucht die Nummer einer Nachricht und eine Zeilenzahl, wie in {verb} 1 10",
    Text.TOO_MANY_ARGUMENTS: "Zu viele Angaben für {verb}",
    Text.LOG_IN_FIRST: "Bitte zuerst anmelden, mit USER und PASS oder mit AUTH",
    Text.LOGGED_IN_ALREADY: "Sie sind schon angemeldet; {verb} gehört vor die Anmeldung",
    Text.TOO_MANY_ERRORS: "Zu viele Fehler, die Verbindung wird beendet",
    Text.LAST_IS_GONE: "LAST gehört nicht mehr zu POP3; UIDL zeigt, welche Nachrichten neu sind",
    Text.USER_FIRST: "Bitte vor dem Passwort den Namen mit USER senden",
    Text.NOT_UTF8: "Namen und Passwörter sind UTF-8",
    Text.BAD_NAME: "Steuerzeichen sind in einem Namen nicht erlaubt",
    Text.NEEDS_TLS: (
        "Passwörter werden nur über verschlüsselte Verbindungen angenommen: "
        "bitte SSL/TLS oder STARTTLS in Ihrem Mailprogramm einschalten"
    ),
    Text.NO_MECHANISM: "Dieses Anmeldeverfahren gibt es hier nicht; AUTH allein zeigt die verfügbaren",
    Text.BAD_BASE64: "Die Antwort ist kein base64",
    Text.CANCELLED: "Anmeldung abgebrochen",
    Text.TLS_UNAVAILABLE: "Dieser Server hat kein Zertifikat und kann daher kein STLS",
    Text.TLS_ACTIVE: "Die Verbindung ist schon verschlüsselt",
    Text.DATA_AFTER_STLS: "Auf STLS darf nichts folgen, bis die Verschlüsselung steht; es wurde verworfen",
    Text.UTF8_ON: "Der UTF8-Modus ist eingeschaltet",
    Text.UTF8_NEEDED: (
        "Diese Nachricht kann nur im UTF8-Modus geholt werden, den dieses Mailprogramm nicht verlangt hat"
    ),
    Text.LANGUAGES: "Es folgen die Sprachen",
    Text.LANGUAGE_CHANGED: "Die Texte sind jetzt auf Deutsch",
    Text.NO_LANGUAGE: "Diese Sprache gibt es hier nicht; LANG allein zeigt die verfügbaren",
    Text.NO_MESSAGE: "Es gibt keine Nachricht {number}; die letzte ist {count}",
    Text.MESSAGE_DELETED: "Nachricht {number} ist zum Löschen vorgemerkt; RSET holt sie zurück",
    Text.WRONG_PASSWORD: "Der Benutzername oder das Passwort ist falsch",
    Text.ACCOUNT_OFF: "Dieses Konto ist abgeschaltet, bitte an den Administrator wenden",
    Text.LOGIN_UNAVAILABLE: "Das Passwort kann gerade nicht geprüft werden, bitte später noch einmal versuchen",
    Text.IN_USE: "Ein anderes Programm holt gerade diese Mail ab, bitte in einer Minute noch einmal versuchen",
    Text.LOGIN_TOO_SOON: "Diese Mail wurde gerade eben erst abgeholt; bitte das Mailprogramm seltener nachsehen lassen",
    Text.NO_VIEW: (
        "Der Name einer Ansicht hat bis zu 32 Buchstaben, Ziffern, Punkte und Striche; "
        "ein Konto hat höchstens 20 Ansichten"
    ),
    Text.NO_FOLDER: "Dieses Postfach hat keinen Ordner dieses Namens; Groß- und Kleinschreibung zählt",
    Text.MESSAGE_GONE: "Ein anderes Programm hat diese Nachricht seit Ihrer Anmeldung entfernt",
    Text.MESSAGE_UNREADABLE: (
        "Diese Nachricht ist auf dem Server nicht lesbar, bitte den Administrator benachrichtigen"
    ),
    Text.DELETION_FAILED: "Einige gelöschte Nachrichten wurden nicht entfernt",
    Text.DISK_TROUBLE: "Der Server hat Schwierigkeiten mit seiner Platte, bitte später noch einmal versuchen",
    Text.OUR_FAULT: "Auf dem Server ist etwas schiefgegangen, bitte später noch einmal versuchen",
    Text.SHUTDOWN: "Der Server wird beendet, bitte in einer Minute noch einmal versuchen",
    Text.IDLE: "Zu lange nichts von Ihnen gehört, die Verbindung wird beendet",
    Text.TOO_MANY: "Zu viele Verbindungen, bitte später noch einmal versuchen",
    Text.TOO_MANY_FROM_HOST: "Zu viele Verbindungen von Ihrer Adresse, bitte später noch einmal versuchen",
    Text.PLAIN_FORM: "PLAIN braucht: Identität NUL Benutzer NUL Passwort",
    Text.NO_IDENTITY: "Für jemand anderen handeln geht nicht: bitte die Autorisierungs-Identität leer lassen",
    Text.EMPTY_NAME: "Name und Passwort dürfen nicht leer sein",
}

FRENCH: Mapping[Text, str] = {
    Text.READY: "{hostname} serveur POP3 prêt",
    Text.GOODBYE: "Au revoir",
    Text.CAPABILITIES: "Voici les capacités",
    Text.MECHANISMS: "Voici les mécanismes",
    Text.BEGIN_TLS: "Commencez TLS maintenant",
    Text.SEND_PASSWORD: "Envoyez le mot de passe",
    Text.LOGGED_IN: "Connecté ; messages : {count}, octets : {octets}",
    Text.MESSAGES: "Messages : {count}, octets : {octets}",
    Text.UNIQUE_IDS: "Voici les identifiants uniques",
    Text.OCTETS: "{octets} octets",
    Text.TOP_FOLLOWS: "Voici le début du message",
    Text.MARKED: "Message {number} marqué pour suppression",
    Text.NOTHING_DELETED: "Rien n'est marqué pour suppression ; messages : {count}, octets : {octets}",
    Text.NOTHING_DONE: "Rien à faire",
    Text.UPDATED: "Au revoir ; messages supprimés : {count}",
    Text.UNKNOWN_COMMAND: "Commande inconnue ; CAPA montre ce que ce serveur sait faire",
    Text.EMPTY_LINE: "Ligne vide ; envoyez une commande, ou QUIT pour partir",
    Text.LINE_TOO_LONG: "La ligne est trop longue",
    Text.BAD_LINE: "Une ligne doit finir par CR LF et ne contenir ni CR ni NUL",
    Text.NO_ARGUMENT: "{verb} ne prend pas d'argument",
    Text.ARGUMENT_MISSING: "{verb} demande un argument",
    Text.NUMBER_NEEDED: "{verb} demande un numéro de message, comme dans {verb} 1",
    Text.NUMBERS_NEEDED: "{verb} demande un numéro de message et un nombre de lignes, comme dans {verb} 1 10",
    Text.TOO_MANY_ARGUMENTS: "Trop d'arguments pour {verb}",
    Text.LOG_IN_FIRST: "Connectez-vous d'abord, avec USER et PASS ou avec AUTH",
    Text.LOGGED_IN_ALREADY: "Vous êtes déjà connecté ; {verb} se place avant la connexion",
    Text.TOO_MANY_ERRORS: "Trop d'erreurs, fermeture de la connexion",
    Text.LAST_IS_GONE: "LAST ne fait plus partie de POP3 ; UIDL montre quels messages sont nouveaux",
    Text.USER_FIRST: "Envoyez le nom avec USER avant le mot de passe",
    Text.NOT_UTF8: "Les noms et mots de passe sont en UTF-8",
    Text.BAD_NAME: "Les caractères de contrôle sont interdits dans un nom",
    Text.NEEDS_TLS: (
        "Les mots de passe ne sont acceptés que sur une connexion chiffrée : "
        "activez SSL/TLS ou STARTTLS dans votre logiciel de messagerie"
    ),
    Text.NO_MECHANISM: "Ce mécanisme n'est pas disponible ; AUTH seul montre ceux qui le sont",
    Text.BAD_BASE64: "La réponse n'est pas en base64",
    Text.CANCELLED: "Connexion annulée",
    Text.TLS_UNAVAILABLE: "Ce serveur n'a pas de certificat, STLS est donc impossible",
    Text.TLS_ACTIVE: "La connexion est déjà chiffrée",
    Text.DATA_AFTER_STLS: "Rien ne doit suivre STLS avant que le chiffrement soit établi ; la suite a été ignorée",
    Text.UTF8_ON: "Le mode UTF8 est activé",
    Text.UTF8_NEEDED: ("Ce message ne peut être relevé qu'en mode UTF8, que ce logiciel de messagerie n'a pas demandé"),
    Text.LANGUAGES: "Voici les langues",
    Text.LANGUAGE_CHANGED: "Les textes sont maintenant en français",
    Text.NO_LANGUAGE: "Cette langue n'est pas disponible ; LANG seul montre celles qui le sont",
    Text.NO_MESSAGE: "Il n'y a pas de message {number} ; le dernier est {count}",
    Text.MESSAGE_DELETED: "Le message {number} est marqué pour suppression ; RSET le rétablit",
    Text.WRONG_PASSWORD: "Le nom d'utilisateur ou le mot de passe est incorrect",
    Text.ACCOUNT_OFF: "Ce compte est désactivé, adressez-vous à l'administrateur",
    Text.LOGIN_UNAVAILABLE: "Le mot de passe ne peut pas être vérifié pour l'instant, réessayez plus tard",
    Text.IN_USE: "Un autre programme relève ce courrier, réessayez dans une minute",
    Text.LOGIN_TOO_SOON: "Ce courrier vient d'être relevé ; réglez votre logiciel pour qu'il regarde moins souvent",
    Text.NO_VIEW: "Le nom d'une vue a jusqu'à 32 lettres, chiffres, points et tirets ; un compte a au plus 20 vues",
    Text.NO_FOLDER: "Cette boîte n'a pas de dossier de ce nom ; majuscules et minuscules diffèrent",
    Text.MESSAGE_GONE: "Un autre programme a supprimé ce message depuis votre connexion",
    Text.MESSAGE_UNREADABLE: "Ce message est illisible sur le serveur, prévenez l'administrateur",
    Text.DELETION_FAILED: "Certains messages supprimés n'ont pas été retirés",
    Text.DISK_TROUBLE: "Le disque du serveur a un problème, réessayez plus tard",
    Text.OUR_FAULT: "Une erreur s'est produite sur le serveur, réessayez plus tard",
    Text.SHUTDOWN: "Le serveur s'arrête, réessayez dans une minute",
    Text.IDLE: "Aucune nouvelle de vous depuis trop longtemps, fermeture de la connexion",
    Text.TOO_MANY: "Trop de connexions, réessayez plus tard",
    Text.TOO_MANY_FROM_HOST: "Trop de connexions depuis votre adresse, réessayez plus tard",
    Text.PLAIN_FORM: "PLAIN demande : identité NUL utilisateur NUL mot de passe",
    Text.NO_IDENTITY: "Agir pour quelqu'un d'autre n'est pas possible : laissez l'identité d'autorisation vide",
    Text.EMPTY_NAME: "Le nom et le mot de passe ne doivent pas être vides",
}

SPANISH: Mapping[Text, str] = {
    Text.READY: "{hostname} servidor POP3 listo",
    Text.GOODBYE: "Adiós",
    Text.CAPABILITIES: "Siguen las capacidades",
    Text.MECHANISMS: "Siguen los mecanismos",
    Text.BEGIN_TLS: "Inicie TLS ahora",
    Text.SEND_PASSWORD: "Envíe la contraseña",
    Text.LOGGED_IN: "Sesión iniciada; mensajes: {count}, octetos: {octets}",
    Text.MESSAGES: "Mensajes: {count}, octetos: {octets}",
    Text.UNIQUE_IDS: "Siguen los identificadores únicos",
    Text.OCTETS: "{octets} octetos",
    Text.TOP_FOLLOWS: "Sigue el principio del mensaje",
    Text.MARKED: "Mensaje {number} marcado para borrar",
    Text.NOTHING_DELETED: "No hay nada marcado para borrar; mensajes: {count}, octetos: {octets}",
    Text.NOTHING_DONE: "No se ha hecho nada",
    Text.UPDATED: "Adiós; mensajes borrados: {count}",
    Text.UNKNOWN_COMMAND: "Orden desconocida; CAPA muestra lo que este servidor sabe hacer",
    Text.EMPTY_LINE: "Línea vacía; envíe una orden, o QUIT para salir",
    Text.LINE_TOO_LONG: "La línea es demasiado larga",
    Text.BAD_LINE: "Una línea debe terminar en CR LF y no contener CR ni NUL",
    Text.NO_ARGUMENT: "{verb} no lleva argumentos",
    Text.ARGUMENT_MISSING: "{verb} necesita un argumento",
    Text.NUMBER_NEEDED: "{verb} necesita un número de mensaje, como en {verb} 1",
    Text.NUMBERS_NEEDED: "{verb} necesita un número de mensaje y un número de líneas, como en {verb} 1 10",
    Text.TOO_MANY_ARGUMENTS: "Demasiados argumentos para {verb}",
    Text.LOG_IN_FIRST: "Inicie primero la sesión, con USER y PASS o con AUTH",
    Text.LOGGED_IN_ALREADY: "Ya ha iniciado la sesión; {verb} va antes",
    Text.TOO_MANY_ERRORS: "Demasiados errores, se cierra la conexión",
    Text.LAST_IS_GONE: "LAST ya no forma parte de POP3; UIDL muestra qué mensajes son nuevos",
    Text.USER_FIRST: "Envíe el nombre con USER antes de la contraseña",
    Text.NOT_UTF8: "Los nombres y contraseñas son UTF-8",
    Text.BAD_NAME: "No se permiten caracteres de control en un nombre",
    Text.NEEDS_TLS: (
        "Las contraseñas solo se aceptan en conexiones cifradas: active SSL/TLS o STARTTLS en su programa de correo"
    ),
    Text.NO_MECHANISM: "Este mecanismo no está disponible; AUTH a solas muestra los que lo están",
    Text.BAD_BASE64: "La respuesta no es base64",
    Text.CANCELLED: "Inicio de sesión cancelado",
    Text.TLS_UNAVAILABLE: "Este servidor no tiene certificado, por eso no puede usar STLS",
    Text.TLS_ACTIVE: "La conexión ya está cifrada",
    Text.DATA_AFTER_STLS: "Nada debe seguir a STLS hasta que el cifrado esté activo; lo recibido se ha descartado",
    Text.UTF8_ON: "El modo UTF8 está activado",
    Text.UTF8_NEEDED: ("Este mensaje solo se puede descargar en modo UTF8, que este programa de correo no ha pedido"),
    Text.LANGUAGES: "Siguen los idiomas",
    Text.LANGUAGE_CHANGED: "Los textos están ahora en español",
    Text.NO_LANGUAGE: "Este idioma no está disponible; LANG a solas muestra los que lo están",
    Text.NO_MESSAGE: "No hay mensaje {number}; el último es {count}",
    Text.MESSAGE_DELETED: "El mensaje {number} está marcado para borrar; RSET lo recupera",
    Text.WRONG_PASSWORD: "El nombre de usuario o la contraseña no son correctos",
    Text.ACCOUNT_OFF: "Esta cuenta está desactivada, consulte al administrador",
    Text.LOGIN_UNAVAILABLE: "La contraseña no se puede comprobar en este momento, inténtelo más tarde",
    Text.IN_USE: "Otro programa está descargando este correo, inténtelo dentro de un minuto",
    Text.LOGIN_TOO_SOON: "Este correo se acaba de recoger; haga que su programa de correo mire con menos frecuencia",
    Text.NO_VIEW: (
        "El nombre de una vista tiene hasta 32 letras, cifras, puntos y guiones; una cuenta tiene como máximo 20 vistas"
    ),
    Text.NO_FOLDER: "Este buzón no tiene ninguna carpeta con ese nombre; las mayúsculas y las minúsculas cuentan",
    Text.MESSAGE_GONE: "Otro programa ha eliminado este mensaje desde que inició la sesión",
    Text.MESSAGE_UNREADABLE: "Este mensaje no se puede leer en el servidor, avise al administrador",
    Text.DELETION_FAILED: "Algunos mensajes borrados no se han eliminado",
    Text.DISK_TROUBLE: "El disco del servidor tiene problemas, inténtelo más tarde",
    Text.OUR_FAULT: "Algo ha fallado en el servidor, inténtelo más tarde",
    Text.SHUTDOWN: "El servidor se está apagando, inténtelo dentro de un minuto",
    Text.IDLE: "Demasiado tiempo sin noticias suyas, se cierra la conexión",
    Text.TOO_MANY: "Demasiadas conexiones, inténtelo más tarde",
    Text.TOO_MANY_FROM_HOST: "Demasiadas conexiones desde su dirección, inténtelo más tarde",
    Text.PLAIN_FORM: "PLAIN necesita: identidad NUL usuario NUL contraseña",
    Text.NO_IDENTITY: "No se puede actuar en nombre de otro: deje vacía la identidad de autorización",
    Text.EMPTY_NAME: "El nombre y la contraseña no deben estar vacíos",
}

CHINESE: Mapping[Text, str] = {
    Text.READY: "{hostname} POP3 服务器已就绪",
    Text.GOODBYE: "再见",
    Text.CAPABILITIES: "功能列表如下",
    Text.MECHANISMS: "认证机制如下",
    Text.BEGIN_TLS: "请立即开始 TLS",
    Text.SEND_PASSWORD: "请发送密码",
    Text.LOGGED_IN: "已登录；邮件：{count}，字节：{octets}",
    Text.MESSAGES: "邮件：{count}，字节：{octets}",
    Text.UNIQUE_IDS: "唯一标识如下",
    Text.OCTETS: "{octets} 字节",
    Text.TOP_FOLLOWS: "邮件开头如下",
    Text.MARKED: "邮件 {number} 已标记为删除",
    Text.NOTHING_DELETED: "没有邮件被标记为删除；邮件：{count}，字节：{octets}",
    Text.NOTHING_DONE: "无操作",
    Text.UPDATED: "再见；已删除邮件：{count}",
    Text.UNKNOWN_COMMAND: "未知命令；CAPA 会列出本服务器支持的功能",
    Text.EMPTY_LINE: "空行；请发送命令，或用 QUIT 退出",
    Text.LINE_TOO_LONG: "该行过长",
    Text.BAD_LINE: "每行必须以 CR LF 结尾，且不得包含 CR 或 NUL",
    Text.NO_ARGUMENT: "{verb} 不带参数",
    Text.ARGUMENT_MISSING: "{verb} 需要一个参数",
    Text.NUMBER_NEEDED: "{verb} 需要邮件编号，例如 {verb} 1",
    Text.NUMBERS_NEEDED: "{verb} 需要邮件编号和行数，例如 {verb} 1 10",
    Text.TOO_MANY_ARGUMENTS: "{verb} 的参数过多",
    Text.LOG_IN_FIRST: "请先用 USER 和 PASS 或用 AUTH 登录",
    Text.LOGGED_IN_ALREADY: "您已登录；{verb} 须在登录前使用",
    Text.TOO_MANY_ERRORS: "错误过多，连接即将关闭",
    Text.LAST_IS_GONE: "LAST 已不属于 POP3；请用 UIDL 查看哪些邮件是新的",
    Text.USER_FIRST: "请先用 USER 发送用户名，再发送密码",
    Text.NOT_UTF8: "用户名和密码须为 UTF-8",
    Text.BAD_NAME: "用户名中不允许有控制字符",
    Text.NEEDS_TLS: "仅在加密连接上接受密码：请在邮件程序中启用 SSL/TLS 或 STARTTLS",
    Text.NO_MECHANISM: "该认证机制不可用；单独发送 AUTH 可列出可用的机制",
    Text.BAD_BASE64: "响应不是 base64",
    Text.CANCELLED: "登录已取消",
    Text.TLS_UNAVAILABLE: "本服务器没有证书，因此无法使用 STLS",
    Text.TLS_ACTIVE: "连接已经加密",
    Text.DATA_AFTER_STLS: "加密建立之前，STLS 之后不得发送任何内容；收到的内容已丢弃",
    Text.UTF8_ON: "UTF8 模式已启用",
    Text.UTF8_NEEDED: "该邮件只能在 UTF8 模式下收取，而本邮件程序未请求该模式",
    Text.LANGUAGES: "语言列表如下",
    Text.LANGUAGE_CHANGED: "现在使用中文",
    Text.NO_LANGUAGE: "该语言不可用；单独发送 LANG 可列出可用的语言",
    Text.NO_MESSAGE: "没有邮件 {number}；最后一封是 {count}",
    Text.MESSAGE_DELETED: "邮件 {number} 已标记为删除；RSET 可恢复",
    Text.WRONG_PASSWORD: "用户名或密码错误",
    Text.ACCOUNT_OFF: "该帐户已停用，请联系管理员",
    Text.LOGIN_UNAVAILABLE: "暂时无法验证密码，请稍后再试",
    Text.IN_USE: "另一个程序正在收取此邮箱的邮件，请一分钟后再试",
    Text.LOGIN_TOO_SOON: "刚刚收取过此邮箱的邮件；请让您的邮件程序降低检查频率",
    Text.NO_VIEW: "视图名称最多为 32 个字母、数字、点和连字符；每个帐户最多 20 个视图",
    Text.NO_FOLDER: "此邮箱没有该名称的文件夹；请注意大小写",
    Text.MESSAGE_GONE: "您登录之后，该邮件已被另一个程序移除",
    Text.MESSAGE_UNREADABLE: "服务器无法读取该邮件，请告知管理员",
    Text.DELETION_FAILED: "部分已删除的邮件未能移除",
    Text.DISK_TROUBLE: "服务器磁盘出现问题，请稍后再试",
    Text.OUR_FAULT: "服务器出现错误，请稍后再试",
    Text.SHUTDOWN: "服务器正在关闭，请一分钟后再试",
    Text.IDLE: "长时间没有收到您的消息，连接即将关闭",
    Text.TOO_MANY: "连接过多，请稍后再试",
    Text.TOO_MANY_FROM_HOST: "来自您地址的连接过多，请稍后再试",
    Text.PLAIN_FORM: "PLAIN 的格式为：身份 NUL 用户名 NUL 密码",
    Text.NO_IDENTITY: "不支持代表他人操作：请将授权身份留空",
    Text.EMPTY_NAME: "用户名和密码不能为空",
}


@dataclass(frozen=True)
class Language:
    """A row of what LANG lists."""

    tag: str
    """RFC 5646."""
    name: str
    """In the language itself."""
    texts: Mapping[Text, str]

    def say(self, text: Text | str, **values: object) -> str:
        """*text* in this language; words that are no Text stay as they are."""
        if isinstance(text, str):
            return text
        return self.texts.get(text, text.value).format(**values)

    @cached_property
    def announcement(self) -> bytes:
        """The reply before a message, to be filled in with its octets: what is said most is put into words once."""
        return f"+OK {self.say(Text.OCTETS, octets='%d')}\r\n".encode()


ENGLISH = Language("en", "English", {})
LANGUAGES: Mapping[str, Language] = {
    language.tag: language
    for language in (
        ENGLISH,
        Language("de", "Deutsch", GERMAN),
        Language("fr", "Français", FRENCH),
        Language("es", "Español", SPANISH),
        Language("zh", "中文", CHINESE),
        Language("i-default", "English (default)", {}),  # RFC 2277 §4.5
    )
}


def find_language(wanted: str) -> Language | None:
    """The language for a basic language range, which is cut from its end until one fits (RFC 4647 §3.4)."""
    subtags = wanted.lower().split("-")
    while subtags:
        if found := LANGUAGES.get("-".join(subtags)):
            return found
        subtags.pop()
    return None
