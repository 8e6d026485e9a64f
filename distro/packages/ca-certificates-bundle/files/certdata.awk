# Reads Mozilla's certdata.txt and prints, as PEM in the file's order, the roots trusted to name TLS servers.
#
#   awk -v as_of=20260131 -f certdata.awk certdata.txt
#
# The file lists objects, each a run of "ATTRIBUTE TYPE VALUE" lines that starts with CKA_CLASS. A certificate and
# what it is trusted for are two objects that share issuer and serial number. MULTILINE_OCTAL values go on for
# lines of \ooo until END.
#
# Mozilla may trust a root only for what it issued before a date. A PEM file can not say so; since no TLS certificate
# lives longer than 398 days, such a root is left out once that many days have passed at as_of (YYYYMMDD).

BEGIN {
  LONGEST_LIFE = 398
  SCHEME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  today = day_number(substr(as_of, 1, 4) + 0, substr(as_of, 5, 2) + 0, substr(as_of, 7, 2) + 0)
  count = 0
}

/^#/ || /^[ \t]*$/ { next }

in_value {
  if ($0 == "END") in_value = 0
  else object[in_attribute] = object[in_attribute] $0
  next
}

$1 == "CKA_CLASS" { keep(); split("", object) }

$2 == "MULTILINE_OCTAL" { in_value = 1; in_attribute = $1; object[$1] = ""; next }

$2 == "UTF8" { object[$1] = $0; sub(/^[^"]*"/, "", object[$1]); sub(/"$/, "", object[$1]); next }

{ object[$1] = $3 }

END {
  if (in_value) fail("the file ends inside " in_attribute)
  keep()
  printed = 0
  for (i = 1; i <= count; i++) {
    if (!(key[i] in trust)) fail("nothing says what this root is trusted for: " label[i])
    if (trust[key[i]] != "CKT_NSS_TRUSTED_DELEGATOR") continue
    if (until[i] != "" && until_day(until[i]) + LONGEST_LIFE < today) continue
    print_pem(value[i])
    printed++
  }
  if (printed == 0) fail("no trusted root found")
}

# Files the object just read under the name that both of its halves share.
function keep(    name) {
  name = object["CKA_ISSUER"] SUBSEP object["CKA_SERIAL_NUMBER"]
  if (object["CKA_CLASS"] == "CKO_CERTIFICATE") {
    count++
    key[count] = name
    label[count] = object["CKA_LABEL"]
    value[count] = object["CKA_VALUE"]
    until[count] = object["CKA_NSS_SERVER_DISTRUST_AFTER"]
    if (until[count] == "CK_FALSE") until[count] = ""
  } else if (object["CKA_CLASS"] == "CKO_NSS_TRUST") {
    if (name in trust) fail("trusted twice: " object["CKA_LABEL"])
    trust[name] = object["CKA_TRUST_SERVER_AUTH"]
  }
}

function octal(text) {
  return substr(text, 2, 1) * 64 + substr(text, 3, 1) * 8 + substr(text, 4, 1)
}

# The day of a UTCTime, YYMMDDhhmmssZ, of this century. Digits are octal escapes of "0" = 48.
function until_day(text,    i, digit) {
  for (i = 0; i < 6; i++) digit[i] = octal(substr(text, 1 + 4 * i, 4)) - 48
  return day_number(2000 + digit[0] * 10 + digit[1], digit[2] * 10 + digit[3], digit[4] * 10 + digit[5])
}

# Days since some fixed day, counting years from March so that a leap day comes last.
function day_number(year, month, day) {
  if (month < 3) { year--; month += 12 }
  return 365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * month - 457) / 5) + day
}

function print_pem(text,    i, size, three, line) {
  size = length(text) / 4
  line = ""
  print "-----BEGIN CERTIFICATE-----"
  for (i = 0; i < size; i += 3) {
    three = octal(substr(text, 1 + 4 * i, 4)) * 65536
    if (i + 1 < size) three += octal(substr(text, 5 + 4 * i, 4)) * 256
    if (i + 2 < size) three += octal(substr(text, 9 + 4 * i, 4))
    line = line sextet(three / 262144) sextet(three / 4096) \
      (i + 1 < size ? sextet(three / 64) : "=") (i + 2 < size ? sextet(three) : "=")
    if (length(line) == 64) { print line; line = "" }
  }
  if (line != "") print line
  print "-----END CERTIFICATE-----"
}

function sextet(number) {
  return substr(SCHEME, int(number) % 64 + 1, 1)
}

function fail(why) {
  print "certdata: " why > "/dev/stderr"
  failed = 1
  exit 1
}
