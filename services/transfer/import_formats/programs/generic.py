"""Generic CSV: this service's own export, and timesheets with common column names.

It reads the exports of Kimai, ManicTime, Simple Time Tracker, Jira Tempo, RescueTime, Hamster, TimeTagger,
ActivityWatch and others in English, and timesheets in German, French and Spanish.
"""

from services.transfer.import_formats.tables.layout import Layout, index_headers

GENERIC = Layout(
    index_headers(
        {
            "start_date": "start date, started on, date, day, start day, from date, date from "
            "| work date, datum, startdatum, fecha, jour, date de début, fecha de inicio, fecha inicio, date started",
            "start": "start, started, started at, start at, start time, time started, start datetime, "
            "start date time, start date/time, start date and time, start timestamp, from, time from, from time, "
            "begin, began, begin time, beginning, clock in, time in, in "
            "| timestamp, time stamp, von, beginn, begonnen, anfang, startzeit, start uhrzeit, "
            "début, debut, heure de début, de, inicio, hora de inicio, hora inicio, desde, punch in, work started, t1",
            "end_date": "end date, ended on, stop date, end day, to date, date to, finish date "
            "| enddatum, date de fin, fecha de fin, fecha fin",
            "end": "end, ended, ended at, end at, end time, time ended, end datetime, end date time, "
            "end date/time, end date and time, end timestamp, to, time to, to time, until, till, stop, stopped, "
            "stopped at, stop time, finish, finished, finished at, finish time, clock out, time out, out "
            "| bis, ende, endzeit, ende uhrzeit, fin, heure de fin, à, a, fin de hora, hora de fin, hora fin, hasta, "
            "para, punch out, t2",
            "duration": "duration, duration (h:mm), duration (hh:mm), duration (hh:mm:ss), hh:mm, hh:mm:ss, "
            "h:mm, time spent, elapsed, elapsed time, length, total time, time tracked, tracked time "
            "| dauer, arbeitszeit, gesamtzeit, zeitaufwand, durée, duree, temps passé, duración, duracion, "
            "tiempo dedicado, worked, time worked, dauer (h:mm), dauer (hh:mm) "
            "| time, zeit, temps, tiempo",
            "seconds": "duration seconds, seconds, duration (s), duration (seconds), duration in seconds, "
            "elapsed seconds, secs | time spent (seconds), time spent seconds, dauer (sekunden), dauer in sekunden, "
            "durée (secondes), duración (segundos), sekunden, duration (sec)",
            "minutes": "duration minutes, minutes, duration (m), duration (min), duration (minutes), "
            "duration in minutes, mins, min | time spent (minutes), dauer (minuten), dauer (min), dauer in minuten, "
            "minuten, durée (minutes), durée (min), duración (minutos), minutos",
            "hours": "duration (h), duration (hours), hours worked, worked hours, time (h), time (hours) "
            "| time spent (hours), time spent (h), dauer (h), dauer (std), dauer (stunden), durée (h), durée (heures), "
            "duración (h), duración (horas), logged hours",
            "decimal_hours": "duration hours, hours, duration (decimal), decimal, decimal hours, "
            "duration in hours, hours (decimal), duration decimal, decimal duration "
            "| stunden, dauer in stunden, dauer (dezimal), stunden (dezimal), heures, durée (décimale), horas",
            "break": "break, break duration, break time, breaks, break seconds | pause, pausen, pausa, pausas",
            "task": "task, task name, title, task title | activity, activity name, activity type, issue summary, "
            "aufgabe, aufgabenname, tätigkeit, taetigkeit, aktivität, aktivitaet, titel, "
            "tâche, tache, activité, activite, titre, tarea, actividad, título, titulo "
            "| event, issue, ticket, issue key, name, nom, nombre "
            "| app, application, category, kategorie, catégorie, categoría, categoria",
            "description": "description, desc, what, subject, summary, entry, work, work done "
            "| work description, text, beschreibung, bezeichnung, betreff, libellé, libelle, "
            "description du travail, descripción, descripcion, asunto, was, quoi, ds",
            "note": "note, notes, detail, details, comment, comments, remark, remarks, memo "
            "| notiz, notizen, anmerkung, anmerkungen, kommentar, kommentare, bemerkung, bemerkungen, "
            "commentaire, commentaires, remarque, remarques, nota, notas, comentario, comentarios, observaciones, "
            "worklog comment",
            "project": "project, project name | projekt, projektname, projet, nom du projet, proyecto, "
            "nombre del proyecto | project key, category, kategorie, catégorie, categoría, categoria",
            "client": "client, client name, customer, customer name, company | kunde, kundenname, auftraggeber, firma, "
            "cliente, société, account name",
            "tags": "tag, tags, label, labels | record tags, schlagworte, schlagwörter, schlagwort, etiketten, "
            "stichworte, étiquettes, etiquettes, mots clés, etiquetas, keywords, hashtags",
            "categories": "categories | kategorien, catégories, categorías",
            "billable": "billable, is billable, chargeable | abrechenbar, fakturierbar, verrechenbar, facturable",
            "rate": "hourly rate, billable rate, rate per hour, hourly price, price per hour "
            "| stundensatz, preis pro stunde, taux horaire, tarif horaire, tarifa por hora, precio por hora, "
            "rate (h), rate/h, price/h",
            "rate_or_amount": "rate | satz, taux, tarif, tarifa",
            "amount": "amount, billable amount, total amount, earnings, earned, revenue "
            "| price, preis, prix, precio, betrag, montant, importe, umsatz, total price, gesamtpreis",
            "currency": "currency, currency code | währung, waehrung, devise, monnaie, moneda, divisa",
            "timezone": "timezone, time zone, tz, zone | zeitzone, fuseau horaire, zona horaria",
            "user": "user, user name, full name, employee, employee name, member, person, worker, team member "
            "| benutzer, benutzername, mitarbeiter, mitarbeiterin, utilisateur, nom d'utilisateur, collaborateur, "
            "usuario, empleado | username, login, author | name, nom, nombre",
            "email": "email, e-mail, user email, email address, e-mail address, mail "
            "| courriel, correo electrónico, e-mail-adresse",
            "first_name": "first name | vorname, prénom",
            "last_name": "last name, surname | nachname",
            "kind": "type",
            "entry_id": "entry id",
        }
    ),
    required=(
        (("start_date", "start"), "for the start (for example start or started_at)"),
        (
            ("end", "duration", "seconds", "minutes", "hours", "decimal_hours"),
            "for the end or the duration (for example end, ended_at or duration_seconds)",
        ),
    ),
    has_escaped_formulas=True,
    excludes_breaks=True,
)
