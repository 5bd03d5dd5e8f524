%% @doc Whether the helper has served what was counted as calls. A call that is answered from a copy, or not at all, must
%% not look like a fast one.
%%
%% The witness is the VM: for each port it counts the bytes that have come out of it (`erlang:port_info(Port, input)'), and the
%% helper's answers are all that comes out of its. A call that needs an answer of N bytes in the helper's protocol is counted with N
%% bytes; when fewer have come in than all calls of a measurement needed, some of them were not answered by the helper, and the
%% measurement is an error. That is the one thing which this proves. It cannot see a small part of the calls missing: in a batch
%% an answer takes 5 bytes more than it is counted with (of 61 for `sockname'), and the helper says a few things that are no answers.
%% Such things are below a thousand bytes a second while there is nobody who calls, which `sees_nothing/0' has shown before
%% anything is measured.
-module(bench_served).

-export([answered/0,
         answer_size/1,
         check/3,
         sees_nothing/0]).

%% @doc Bytes that the helpers of this node have answered; those of port programs that stand in for a helper are none.
-spec answered() -> non_neg_integer().
answered() ->
    lists:sum([Bytes || Port <- bench_setup:helpers(), {input, Bytes} <- [erlang:port_info(Port, input)]]).

%% @doc Bytes of answers of this form, as they are in the protocol: an atom or an integer has one form there.
-spec answer_size([Result :: term()]) -> pos_integer().
answer_size(Results) ->
    lists:sum([byte_size(term_to_binary({16#7fffffff, Result}, [{minor_version, 2}])) || Result <- Results]).

%% @doc So many units were counted, each of which needs so many bytes of answers.
-spec check(Units :: non_neg_integer(), BytesEach :: number(), Answered :: integer()) -> ok.
check(Units, BytesEach, Answered) when Answered >= Units * BytesEach -> ok;
check(Units, BytesEach, Answered) ->
    error({the_helper_has_served_fewer, #{counted => Units, bytes_needed => round(Units * BytesEach), bytes_answered => Answered}}).

%% @doc The check fails where it has to: a thousand calls that nobody has made.
-spec sees_nothing() -> ok.
sees_nothing() ->
    {ok, Socket} = gosocket:open(inet, stream, tcp),
    Before = answered(),
    timer:sleep(200),
    try check(1000, answer_size([ok]), answered() - Before) of
        ok -> error(calls_that_nobody_made_count_as_served)
    catch
        error:{the_helper_has_served_fewer, _} -> gosocket:close(Socket)
    end.
