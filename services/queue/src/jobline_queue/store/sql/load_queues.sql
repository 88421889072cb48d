-- Which queues an operator paused or resumed. Columns: name, paused.
SELECT name, paused FROM jobline.queues
