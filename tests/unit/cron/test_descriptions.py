"""When a cron expression runs, as a person reads it."""

from __future__ import annotations

import pytest
from hypothesis import given

from jobrunr.cron import CronExpression
from jobrunr.errors import CronError
from tests.unit.cron import expressions

TABLE = """
# times of day
30 3 * * *              | At 03:30 every day
30 3,15 * * *           | At 03:30 and 15:30 every day
0,30 9,17 * * *         | At 09:00, 09:30, 17:00 and 17:30 every day
15 30 9 * * *           | At 09:30:15 every day
0 */6 * * *             | At 00:00, 06:00, 12:00 and 18:00 every day
0 1,2,4,8,16 * * *      | At 01:00, 02:00, 04:00, 08:00 and 16:00 every day

# hours
0 * * * *               | Every hour
15 * * * *              | Every hour at minute 15
30 15 * * * *           | Every hour at minute 15 and second 30
0 */2 * * *             | Every 2 hours
30 */2 * * *            | Every 2 hours at minute 30
0 9-17 * * *            | Every hour between 09:00 and 17:00
30 9-17/2 * * *         | Every 2 hours between 09:30 and 17:30
0 22-2 * * *            | Every hour between 22:00 and 02:00
0 22-2 * * FRI          | At 00:00, 01:00, 02:00, 22:00 and 23:00 on Friday
0 22-2 * JUL *          | At 00:00, 01:00, 02:00, 22:00 and 23:00 every day in July

# minutes
* * * * *               | Every minute
30 * * * * *            | Every minute at second 30
*/15 * * * *            | Every 15 minutes
0,15,30,45 * * * *      | Every 15 minutes
15 */5 * * * *          | Every 5 minutes at second 15
5,20 * * * *            | At minutes 5 and 20 of every hour
*/25 * * * *            | At minutes 0, 25 and 50 of every hour
0-29 * * * *            | At minutes 0 to 29 of every hour
* 9 * * *               | Every minute between 09:00 and 09:59
*/15 9-17 * * *         | Every 15 minutes between 09:00 and 17:45
5,20 9-17 * * *         | At minutes 5 and 20 between 09:05 and 17:20 every day
*/15 22-2 * * *         | Every 15 minutes between 22:00 and 02:45
*/15 22-2 * * FRI       | Every 15 minutes in the hours 0, 1, 2, 22 and 23 on Friday
*/20 1,3 * * *          | Every 20 minutes in the hours 1 and 3
5,10,15 9,11 * * *      | At minutes 5, 10 and 15 of the hours 9 and 11 every day

# seconds
* * * * * *             | Every second
*/10 * * * * *          | Every 10 seconds
5,10 * * * * *          | At seconds 5 and 10 of every minute
*/10 30 9 * * *         | Every 10 seconds between 09:30:00 and 09:30:50
*/10 * 9-17 * * *       | Every 10 seconds between 09:00:00 and 17:59:50
*/10 * 9,12 * * *       | Every 10 seconds in hours 9 and 12
*/10 30 * * * *         | Every 10 seconds in minute 30 of every hour
0-9 0,30 9,17 * * *     | At seconds 0 to 9 of minutes 0 and 30 of hours 9 and 17 every day

# days of the week
30 3 * * MON-FRI        | At 03:30 on Monday to Friday
0 0 * * SAT,SUN         | At 00:00 on Saturday and Sunday
0 0 * * FRI-MON         | At 00:00 on Friday to Monday
0 0 * * 5,3,1           | At 00:00 on Monday, Wednesday and Friday
*/15 * * * 7            | Every 15 minutes on Sunday
0 0 * * 5L              | At 00:00 on the last Friday of the month
0 0 * * FRI#2           | At 00:00 on the second Friday of the month
0 0 * * MON,FRI#1,FRIL  | At 00:00 on Monday and on the first Friday and last Friday of the month
0 0 * * 0-6             | At 00:00 every day

# days of the month
0 0 1 * *               | At 00:00 on the 1st of the month
0 0 1,15 * *            | At 00:00 on the 1st and 15th of the month
0 0 1-7 * *             | At 00:00 on the 1st to 7th of the month
0 0 */2 * *             | At 00:00 on the 1st and every 2nd day after it until the 31st of the month
0 0 L * *               | At 00:00 on the last day of the month
0 0 L-1 * *             | At 00:00 on the day before the last day of the month
0 0 L-3 * *             | At 00:00 on the day 3 days before the last day of the month
0 0 LW * *              | At 00:00 on the last business day of the month
0 0 LW-3 * *            | At 00:00 on the day 3 days before the last business day of the month
0 0 1W * *              | At 00:00 on the first business day of the month
0 0 15W * *             | At 00:00 on the business day nearest the 15th of the month
0 0 1W+2 * *            | At 00:00 on the day 2 days after the first business day of the month
0 0 1W,15,L * *         | At 00:00 on the 15th and on the first business day and on the last day of the month

# both
0 0 13 * FRI            | At 00:00 on the 13th of the month and on Friday
0 0 */2 * MON           | At 00:00 on the 1st and every 2nd day after it until the 31st of the month, if it is Monday

# months
0 0 1 1 *               | At 00:00 on the 1st of January
0 0 29 2 *              | At 00:00 on the 29th of February
0 0 1 JAN,JUL *         | At 00:00 on the 1st of January and July
0 0 * 1 *               | At 00:00 every day in January
*/15 * * 3-5 *          | Every 15 minutes in March to May
0 0 * 11-2 MON          | At 00:00 on Monday in November to February
0 0 * 6 FRI#1           | At 00:00 on the first Friday of June

# words
@hourly                 | Every hour
@daily                  | At 00:00 every day
@weekly                 | At 00:00 on Sunday
@yearly                 | At 00:00 on the 1st of January
"""
ROWS = [line.split("|") for line in TABLE.splitlines() if "|" in line]


@pytest.mark.parametrize(("text", "words"), [(text.strip(), words.strip()) for text, words in ROWS])
def test_an_expression_reads_like_this(text: str, words: str) -> None:
    assert CronExpression(text).describe() == words


@given(expressions.anything | expressions.by_second)
def test_every_expression_can_be_told(text: str) -> None:
    try:
        words = CronExpression(text).describe()
    except CronError:
        return

    assert words.startswith(("At ", "Every "))
    assert "  " not in words and not words.endswith((" ", "."))
