"""The public suffixes that are known without the extra ``psl``: of registries and of well-known hosters.

They are from the Public Suffix List (https://publicsuffix.org, Mozilla Public License 2.0): of its ICANN
section those of two labels, of its private section those of well-known hosters. A test compares them with the
installed list.
"""

from __future__ import annotations

from typing import Final

REGISTRIES: Final = """
ac: com edu gov mil net org ae: ac co gov mil net org sch aero: accident-investigation accident-prevention
aerobatic aeroclub aerodrome agents air-surveillance air-traffic-control aircraft airline airport
airtraffic ambulance association author ballooning broker caa cargo catering certification championship
charter civilaviation club conference consultant consulting control council crew design dgca educator
emergency engine engineer entertainment equipment exchange express federation flight freight fuel gliding
government groundhandling group hanggliding homebuilt insurance journal journalist leasing logistics
magazine maintenance marketplace media microlight modelling navigation parachuting paragliding
passenger-association pilot press production recreation repbody res research rotorcraft safety scientist
services show skydiving software student taxi trader trading trainer union workinggroup works af: com edu
gov net org ag: co com net nom org ai: com net off org al: com edu gov mil net org am: co com commune net
org ao: co ed edu gov gv it og org pb ar: bet com coop edu gob gov int mil musica mutual net org seg
senasa tur arpa: e164 home in-addr ip6 iris uri urn as: gov at: ac co gv or au: act asn com conf edu gov
id net nsw nt org oz qld sa tas vic wa aw: com az: biz co com edu gov info int mil name net org pp pro ba:
com edu gov mil net org bb: biz co com edu gov info net org store tv bd: ac ai co com edu gov id info it
mil net org sch tv be: ac bf: gov bg: 0 1 2 3 4 5 6 7 8 9 a b c d e f g h i j k l m n o p q r s t u v w x
y z bh: com edu gov net org bi: co com edu or org bj: africa agro architectes assur avocats co com eco
econo edu info loisirs money net org ote restaurant resto tourism univ bm: com edu gov net org bn: com edu
gov net org bo: academia agro arte blog bolivia ciencia com cooperativa democracia deporte ecologia
economia edu empresa gob ia indigena industria info int medicina mil movimiento musica natural net nombre
noticias org patria plurinacional politica profesional pueblo revista salud tecnologia tksat transporte tv
web wiki br: 9guacu abc adm adv agr aju am anani aparecida api app arq art ato b barueri belem bet bhz bib
bio blog bmd boavista bsb campinagrande campinas caxias cim cng cnt com contagem coop coz cri cuiaba
curitiba def des det dev ecn eco edu emp enf eng esp etc eti far feira flog floripa fm fnd fortal fot foz
fst g12 geo ggf goiania gov gru ia imb ind inf jab jampa jdf joinville jor jus leg leilao lel log londrina
macapa maceio manaus maringa mat med mil morena mp mus natal net niteroi nom not ntr odo ong org osasco palmas
poa ppg pro psc psi pvh qsl radio rec recife rep ribeirao rio riobranco riopreto salvador sampa santamaria
santoandre saobernardo saogonca seg sjc slg slz social sorocaba srv taxi tc tec teo the tmp trd tur tv udi
vet vix vlog wiki xyz zlg bs: com edu gov net org bt: com edu gov net org bw: ac co gov net org by: com
gov mil of bz: co com edu gov net org ca: ab bc gc mb nb nf nl ns nt nu on pe qc sk yk cd: gov ci: ac asso
co com ed edu go gouv int net or org xn--aroport-bya ck: * cl: co gob gov mil cm: co com gov net cn: ac ah
bj com cq edu fj gd gov gs gx gz ha hb he hi hk hl hn jl js jx ln mil mo net nm nx org qh sc sd sh sn sx
tj tw xj xn--55qx5d xn--io0a7i xn--od0alg xz yn zj co: com edu gov mil net nom org cr: ac co ed fi go or
sa cu: com edu gob inf nat net org cv: com edu id int net nome org publ cw: com edu net org cx: gov cy: ac
biz com ekloges gov ltd mil net org press pro tm cz: gov dm: co com edu gov net org do: art com edu gob
gov mil net org sld web dz: art asso com edu gov net org pol soc tm ec: abg adm agron arqt art bar chef
com cont cpa cue dent dgn disco doc edu eng esm fin fot gal gob gov gye ibr info k12 lat loj med mil mktg
mon net ntr odont org pro prof psic psiq pub rio rrpp sal tech tul tur uio vet xxx ee: aip com edu fie gov
lib med org pri riik eg: ac com edu eun gov info me mil name net org sci sport tv er: * es: com edu gob
nom org et: biz com edu gov info name net org fi: aland fj: ac biz com edu gov id info mil name net org
pro fk: * fm: com edu net org fr: asso avoues cci com gouv greta huissier-justice nom prd tm gd: edu gov
ge: com cyb edu gov llc net online org pvt school tnx gg: co net org gh: biz com edu gov mil net org gi:
com edu gov ltd mod org gl: co com edu net org gn: ac com edu gov net org gp: asso com edu mobi net org
gr: com edu gov net org gt: com edu gob ind mil net org gu: com edu gov guam info net org web gy: co com
edu gov net org hk: com edu gov idv net org xn--55qx5d xn--ciqpn xn--gmq050i xn--gmqw5a xn--io0a7i
xn--lcvr32d xn--mk0axi xn--mxtq1m xn--od0alg xn--od0aq3b xn--tn0ag xn--uc0atv xn--uc0ay4a xn--wcvs22d
xn--zf0avx hn: com edu gob mil net org hr: com from iz name ht: adult art asso com coop edu firm gouv info
med net org perso pol pro rel shop hu: 2000 agrar bolt casino city co erotica erotika film forum games
hotel info ingatlan jogasz konyvelo lakas media news org priv reklam sex shop sport suli szex tm tozsde
utazas video id: ac ai biz co desa go kop mil my net or ponpes sch web xn--9tfky ie: gov il: ac co gov idf
k12 muni net org im: ac co com net org tt tv in: 5g 6g ac aero ai alumni am bank bihar biz business ca cn
co com coop cs delhi dr edu er fin firm gen gov gujarat ind info int internet io me mil net nic org pg
post pro res school travel tv ub uk up us int: eu io: co com edu gov mil net nom org iq: com edu gov mil
net org ir: ac co gov id net org sch xn--mgba3a4f16a xn--mgba3a4fra it: abr abruzzo ag agrigento al
alessandria alto-adige altoadige an ancona andria-barletta-trani andria-trani-barletta andriabarlettatrani
andriatranibarletta ao aosta aosta-valley aostavalley aoste ap aq ar arezzo ascoli-piceno ascolipiceno
asti at av avellino ba balsan balsan-sudtirol balsan-suedtirol bari barletta-trani-andria
barlettatraniandria bas basilicata belluno benevento bergamo bg bi biella bl bn bo bologna bolzano
bolzano-altoadige bozen bozen-sudtirol bozen-suedtirol br brescia brindisi bs bt bulsan bulsan-sudtirol
bulsan-suedtirol bz ca cagliari cal calabria caltanissetta cam campania campidano-medio campidanomedio
campobasso carbonia-iglesias carboniaiglesias carrara-massa carraramassa caserta catania catanzaro cb ce
cesena-forli cesenaforli ch chieti ci cl cn co como cosenza cr cremona crotone cs ct cuneo cz
dell-ogliastra dellogliastra edu emilia-romagna emiliaromagna emr en enna fc fe fermo ferrara fg fi
firenze florence fm foggia forli-cesena forlicesena fr friuli-v-giulia friuli-ve-giulia friuli-vegiulia
friuli-venezia-giulia friuli-veneziagiulia friuli-vgiulia friuliv-giulia friulive-giulia friulivegiulia
friulivenezia-giulia friuliveneziagiulia friulivgiulia frosinone fvg ge genoa genova go gorizia gov gr
grosseto iglesias-carbonia iglesiascarbonia im imperia is isernia kr la-spezia laquila laspezia latina laz
lazio lc le lecce lecco li lig liguria livorno lo lodi lom lombardia lombardy lt lu lucania lucca macerata
mantova mar marche massa-carrara massacarrara matera mb mc me medio-campidano mediocampidano messina mi
milan milano mn mo modena mol molise monza monza-brianza monza-e-della-brianza monzabrianza monzaebrianza
monzaedellabrianza ms mt na naples napoli no novara nu nuoro og ogliastra olbia-tempio olbiatempio or
oristano ot pa padova padua palermo parma pavia pc pd pe perugia pesaro-urbino pesarourbino pescara pg pi
piacenza piedmont piemonte pisa pistoia pmn pn po pordenone potenza pr prato pt pu pug puglia pv pz ra
ragusa ravenna rc re reggio-calabria reggio-emilia reggiocalabria reggioemilia rg ri rieti rimini rm rn ro
roma rome rovigo sa salerno sar sardegna sardinia sassari savona si sic sicilia sicily siena siracusa so
sondrio sp sr ss su sud-sardegna sudsardegna suedtirol sv ta taa taranto te tempio-olbia tempioolbia
teramo terni tn to torino tos toscana tp tr trani-andria-barletta trani-barletta-andria
traniandriabarletta tranibarlettaandria trapani trentin-sud-tirol trentin-sudtirol trentin-sued-tirol
trentin-suedtirol trentino trentino-a-adige trentino-aadige trentino-alto-adige trentino-altoadige
trentino-s-tirol trentino-stirol trentino-sud-tirol trentino-sudtirol trentino-sued-tirol
trentino-suedtirol trentinoa-adige trentinoaadige trentinoalto-adige trentinoaltoadige trentinos-tirol
trentinostirol trentinosud-tirol trentinosued-tirol trentinosuedtirol trentinsud-tirol trentinsudtirol
trentinsued-tirol trentinsuedtirol trento treviso trieste ts turin tuscany tv ud udine umb umbria
urbino-pesaro urbinopesaro va val-d-aosta val-daosta vald-aosta valle-aosta valle-d-aosta valle-daosta
valleaosta valled-aosta valledaosta vallee-aoste vallee-d-aoste valleeaoste valleedaoste vao varese vb vc
vda ve ven veneto venezia venice verbania verbano-cusio-ossola vercelli verona vi vibo-valentia
vibovalentia vicenza viterbo vr vs vt vv xn--balsan-sdtirol-nsb xn--bozen-sdtirol-2ob
xn--bulsan-sdtirol-nsb xn--cesena-forl-mcb xn--cesenaforl-i8a xn--forl-cesena-fcb xn--forlcesena-c8a
xn--sdtirol-n2a xn--trentin-sd-tirol-rzb xn--trentin-sdtirol-7vb xn--trentino-sd-tirol-c3b
xn--trentino-sdtirol-szb xn--trentinosd-tirol-rzb xn--trentinosdtirol-7vb xn--trentinsd-tirol-6vb
xn--trentinsdtirol-nsb xn--valle-aoste-ebb xn--valle-d-aoste-ehb xn--valleaoste-e7a xn--valledaoste-ebb
je: co net org jm: * jo: agri ai com edu eng fm gov mil net org per phd sch tv jp: ac ad aichi akita
aomori chiba co ed ehime fukui fukuoka fukushima gifu go gr gunma hiroshima hokkaido hyogo ibaraki
ishikawa iwate kagawa kagoshima kanagawa kawasaki kitakyushu kobe kochi kumamoto kyoto lg mie miyagi
miyazaki nagano nagasaki nagoya nara
ne niigata oita okayama okinawa or osaka saga saitama sapporo sendai shiga shimane shizuoka tochigi tokushima
tokyo tottori toyama wakayama xn--0trq7p7nn xn--1ctwo xn--1lqs03n xn--1lqs71d xn--2m4a15e xn--32vp30h
xn--4it168d xn--4it797k xn--4pvxs xn--5js045d xn--5rtp49c xn--5rtq34k xn--6btw5a xn--6orx2r xn--7t0a264c
xn--8ltr62k xn--8pvr4u xn--c3s14m xn--d5qv7z876c xn--djrs72d6uy xn--djty4k xn--efvn9s xn--ehqz56n
xn--elqq16h xn--f6qx53a xn--k7yn95e xn--kbrq7o xn--klt787d xn--kltp7d xn--kltx9a xn--klty5x xn--mkru45i
xn--nit225k xn--ntso0iqx3a xn--ntsq17g xn--pssu33l xn--qqqt11m xn--rht27z xn--rht3d xn--rht61e xn--rny31h
xn--tor131o xn--uist22h xn--uisz3g xn--uuwu58a xn--vgu402c xn--zbx025d yamagata yamaguchi yamanashi
yokohama ke: ac
co go info me mobi ne or sc kg: com edu gov mil net org kh: com edu gov net org ki: biz com edu gov info
net org km: ass asso com coop edu gouv gov medecin mil nom notaires org pharmaciens prd presse tm
veterinaire kn: edu gov net org kp: com edu gov org rep tra kr: ac ai busan chungbuk chungnam co daegu
daejeon es gangwon go gwangju gyeongbuk gyeonggi gyeongnam hs incheon io it jeju jeonbuk jeonnam kg me mil
ms ne or pe re sc seoul ulsan kw: com edu emb gov ind net org ky: com edu net org kz: com edu gov mil net
org la: com edu gov info int net org per lb: com edu gov net org lc: co com edu gov net org lk: ac assn
com edu gov grp hotel int ltd net ngo org sch soc web lr: com edu gov net org ls: ac biz co edu gov info
net org sc lt: gov lv: asn com conf edu gov id mil net org ly: com edu gov id med net org plc sch ma: ac
co gov net org press mc: asso tm me: ac co edu gov its net org priv mg: co com edu gov mil nom org prd mk:
com edu gov inf name net org ml: ac art asso com edu gouv gov info inst net org pr presse mm: * mn: edu
gov org mo: com edu gov net org mr: gov ms: com edu gov net org mt: com edu net org mu: ac co com gov net
or org mv: aero biz com coop edu gov info int mil museum name net org pro mw: ac biz co com coop edu gov
int net org mx: com edu gob net org my: biz com edu gov mil name net org mz: ac adv co edu gov mil net org
na: alt co com gov net org nc: asso nom nf: arts com firm info net other per rec store web ng: com edu gov
i mil mobi name net org sch ni: ac biz co com edu gob in info int mil net nom org web no: aa aarborte
aejrie afjord agdenes ah aknoluokta akrehamn al alaheadju alesund algard alstahaug alta alvdal amli amot
andasuolo andebu andoy ardal aremark arendal arna aseral asker askim askoy askvoll asnes audnedal aukra
aure aurland aurskog-holand austevoll austrheim averoy badaddja bahcavuotna bahccavuotna baidar bajddar
balat balestrand ballangen balsfjord bamble bardu barum batsfjord bearalvahki beardu beiarn berg bergen
berlevag bievat bindal birkenes bjerkreim bjugn bodo bokn bomlo bremanger bronnoy bronnoysund brumunddal
bryne bu budejju bygland bykle cahcesuolo davvenjarga davvesiida deatnu dep dielddanuorri divtasvuodna
divttasvuotna donna dovre drammen drangedal drobak dyroy egersund eid eidfjord eidsberg eidskog eidsvoll
eigersund elverum enebakk engerdal etne etnedal evenassi evenes evje-og-hornnes farsund fauske fedje fet
fetsund fhs finnoy fitjar fjaler fjell fla flakstad flatanger flekkefjord flesberg flora floro fm
folkebibl folldal forde forsand fosnes frana fredrikstad frogn froland frosta froya fuoisku fuossko fusa
fylkesbibl fyresdal gaivuotna galsa gamvik gangaviika gaular gausdal giehtavuoatna gielda gildeskal giske
gjemnes gjerdrum gjerstad gjesdal gjovik gloppen gol gran grane granvin gratangen grimstad grong grue
gulen guovdageaidnu ha habmer hadsel hagebostad halden halsa hamar hamaroy hammarfeasta hammerfest hapmir
haram hareid harstad hasvik hattfjelldal haugesund hemne hemnes hemsedal herad hitra hjartdal hjelmeland
hl hm hobol hof hokksund hol hole holmestrand holtalen honefoss hornindal horten hoyanger hoylandet hurdal
hurum hvaler hyllestad ibestad idrett inderoy iveland ivgu jan-mayen jessheim jevnaker jolster jondal
jorpeland kafjord karasjohka karasjok karlsoy karmoy kautokeino kirkenes klabu klepp kommune kongsberg
kongsvinger kopervik kraanghke kragero kristiansand kristiansund krodsherad krokstadelva kvafjord kvalsund
kvam kvanangen kvinesdal kvinnherad kviteseid kvitsoy laakesvuemie lahppi langevag lardal larvik lavagis
lavangen leangaviika lebesby leikanger leirfjord leirvik leka leksvik lenvik lerdal lesja levanger lier
lierne lillehammer lillesand lindas lindesnes loabat lodingen lom loppa lorenskog loten lund lunner luroy
luster lyngdal lyngen malatvuopmi malselv malvik mandal marker marnardal masfjorden masoy matta-varjjat
meland meldal melhus meloy meraker midsund midtre-gauldal mil mjondalen mo-i-rana moareke modalen modum
molde mosjoen moskenes moss mr muosat museum naamesjevuemie namdalseid namsos namsskogan nannestad naroy
narviika narvik naustdal navuotna nedre-eiker nesna nesodden nesoddtangen nesseby nesset nissedal nittedal
nl nord-aurdal nord-fron nord-odal norddal nordkapp nordre-land nordreisa nore-og-uvdal notodden notteroy
nt odda of oksnes ol omasvuotna oppdal oppegard orkanger orkdal orland orskog orsta osen oslo osoyro
osteroy ostre-toten overhalla ovre-eiker oyer oygarden oystre-slidre porsanger porsangu porsgrunn priv
rade radoy rahkkeravju raholt raisa rakkestad ralingen rana randaberg rauma re rendalen rennebu rennesoy
rindal ringebu ringerike ringsaker risor rissa rl roan rodoy rollag romsa romskog roros rost royken
royrvik ruovat rygge salangen salat saltdal samnanger sandefjord sandnes sandnessjoen sandoy sarpsborg
sauda sauherad sel selbu selje seljord sf siellak sigdal siljan sirdal skanit skanland skaun skedsmo
skedsmokorset ski skien skierva skiptvet skjak skjervoy skodje slattum smola snaase snasa snillfjord
snoasa sogndal sogne sokndal sola solund somna sondre-land songdalen sor-aurdal sor-fron sor-odal
sor-varanger sorfold sorreisa sortland sorum spjelkavik spydeberg st stange stat stathelle stavanger
stavern steigen steinkjer stjordal stjordalshalsen stokke stor-elvdal stord stordal storfjord strand
stranda stryn sula suldal sund sunndal suohkan surnadal svalbard sveio svelvik sykkylven tana tananger
time tingvoll tinn tjeldsund tjielte tjome tm tokke tolga tonsberg torsken tr trana tranby tranoy troandin
trogstad tromsa tromso trondheim trysil tvedestrand tydal tynset tysfjord tysnes tysvar uenorge ullensaker
ullensvang ulstein ulvik unjarga utsira va vaapste vadso vaga vagan vagsoy vaksdal valle vang vanylven
vardo varggat varoy vefsn vega vegarshei vennesla verdal verran vestby vestnes vestre-slidre vestre-toten
vestvagoy vevelstad vf vgs vik vikna vindafjord voagat volda voss vossevangen xn--andy-ira xn--asky-ira
xn--aurskog-hland-jnb xn--avery-yua xn--bdddj-mrabd xn--bearalvhki-y4a xn--berlevg-jxa xn--bhcavuotna-s4a
xn--bhccavuotna-k7a xn--bidr-5nac xn--bievt-0qa xn--bjddar-pta xn--blt-elab xn--bmlo-gra xn--bod-2na
xn--brnny-wuac xn--brnnysund-m8ac xn--brum-voa xn--btsfjord-9za xn--davvenjrga-y4a xn--dnna-gra
xn--drbak-wua xn--dyry-ira xn--eveni-0qa01ga xn--finny-yua xn--fjord-lra xn--fl-zia xn--flor-jra
xn--frde-gra xn--frna-woa xn--frya-hra xn--ggaviika-8ya47h xn--gildeskl-g0a xn--givuotna-8ya xn--gjvik-wua
xn--gls-elac xn--h-2fa xn--hamary-fya xn--hbmer-xqa xn--hcesuolo-7ya35b xn--hgebostad-g3a
xn--hmmrfeasta-s4ac xn--hnefoss-q1a xn--hobl-ira xn--holtlen-hxa xn--hpmir-xqa xn--hyanger-q1a
xn--hylandet-54a xn--indery-fya xn--jlster-bya xn--jrpeland-54a xn--karlsy-fya xn--karmy-yua
xn--kfjord-iua xn--klbu-woa xn--koluokta-7ya57h xn--krager-gya xn--kranghke-b0a xn--krdsherad-m8a
xn--krehamn-dxa xn--krjohka-hwab49j xn--ksnes-uua xn--kvfjord-nxa xn--kvitsy-fya xn--kvnangen-k0a
xn--l-1fa xn--laheadju-7ya xn--langevg-jxa xn--ldingen-q1a xn--leagaviika-52b xn--lesund-hua xn--lgrd-poac
xn--lhppi-xqa xn--linds-pra xn--loabt-0qa xn--lrdal-sra xn--lrenskog-54a xn--lt-liac xn--lten-gra
xn--lury-ira xn--mely-ira xn--merker-kua xn--mjndalen-64a xn--mlatvuopmi-s4a xn--mli-tla xn--mlselv-iua
xn--moreke-jua xn--mosjen-eya xn--mot-tla xn--msy-ula0h xn--mtta-vrjjat-k7af xn--muost-0qa
xn--nmesjevuemie-tcba xn--nry-yla5g xn--nttery-byae xn--nvuotna-hwa xn--oppegrd-ixa xn--ostery-fya
xn--osyro-wua xn--porsgu-sta26f xn--rady-ira xn--rdal-poa xn--rde-ula xn--rdy-0nab xn--rennesy-v1a
xn--rhkkervju-01af xn--rholt-mra xn--risa-5na xn--risr-ira xn--rland-uua xn--rlingen-mxa xn--rmskog-bya
xn--rros-gra xn--rskog-uua xn--rst-0na xn--rsta-fra xn--ryken-vua xn--ryrvik-bya xn--s-1fa
xn--sandnessjen-ogb xn--sandy-yua xn--seral-lra xn--sgne-gra xn--skierv-uta xn--skjervy-v1a xn--skjk-soa
xn--sknit-yqa xn--sknland-fxa xn--slat-5na xn--slt-elab xn--smla-hra xn--smna-gra xn--snase-nra
xn--sndre-land-0cb xn--snes-poa xn--snsa-roa xn--sr-aurdal-l8a xn--sr-fron-q1a xn--sr-odal-q1a
xn--sr-varanger-ggb xn--srfold-bya xn--srreisa-q1a xn--srum-gra xn--stjrdal-s1a xn--stjrdalshalsen-sqb
xn--stre-toten-zcb xn--tjme-hra xn--tnsberg-q1a xn--trany-yua xn--trgstad-r1a xn--trna-woa xn--troms-zua
xn--tysvr-vra xn--unjrga-rta xn--vads-jra xn--vard-jra xn--vegrshei-c0a xn--vestvgy-ixa6o xn--vg-yiab
xn--vgan-qoa xn--vgsy-qoa0j xn--vre-eiker-k8a xn--vrggt-xqad xn--vry-yla5g xn--yer-zna xn--ygarden-p1a
xn--ystre-slidre-ujb np: * nr: biz com edu gov info net org nz: ac co cri geek gen govt health iwi kiwi
maori mil net org parliament school xn--mori-qsa om: co com edu gov med museum net org pro pa: abo ac com
edu gob ing med net nom org sld pe: com edu gob mil net nom org pf: com edu org pg: * ph: com edu gov i
mil net ngo org pk: ac biz com edu fam gkp gob gog gok gop gos gov net org web pl: agro aid atm augustow
auto babia-gora bedzin beskidy bialowieza bialystok bielawa bieszczady biz boleslawiec bydgoszcz bytom
cieszyn com czeladz czest dlugoleka edu elblag elk glogow gmina gniezno gorlice gov grajewo gsm ilawa info
jaworzno jelenia-gora jgora kalisz karpacz kartuzy kaszuby katowice kazimierz-dolny kepno ketrzyn klodzko
kobierzyce kolobrzeg konin konskowola kutno lapy lebork legnica lezajsk limanowa lomza lowicz lubin lukow
mail malbork malopolska mazowsze mazury media miasta mielec mielno mil mragowo naklo net nieruchomosci nom
nowaruda nysa olawa olecko olkusz olsztyn opoczno opole org ostroda ostroleka ostrowiec ostrowwlkp pc pila
pisz podhale podlasie polkowice pomorskie pomorze powiat priv prochowice pruszkow przeworsk pulawy radom
rawa-maz realestate rel rybnik rzeszow sanok sejny sex shop sklep skoczow slask slupsk sos sosnowiec
stalowa-wola starachowice stargard suwalki swidnica swiebodzin swinoujscie szczecin szczytno szkola targi
tarnobrzeg tgory tm tourism travel turek turystyka tychy ustka walbrzych warmia warszawa waw wegrow wielun
wlocl wloclawek wodzislaw wolomin wroclaw zachpomor zagan zarow zgora zgorzelec pn: co edu gov net org pr:
ac biz com edu est gov info isla name net org pro prof pro: aaa aca acct avocat bar cpa eng jur law med
recht ps: com edu gov net org plo sec pt: com edu gov int net nome org publ pw: gov py: com coop edu gov
mil net org qa: com edu gov mil name net org sch re: asso com ro: arts com firm info nom nt org rec store
tm www rs: ac co edu gov in org rw: ac co coop gov mil net org sa: com edu gov med net org pub sch sb: com
edu gov net org sc: com edu gov net org sd: com edu gov info med net org tv se: a ac b bd brand c d e f fh
fhsk fhv g h i k komforb kommunalforbund komvux l lanbib m n naturbruksgymn o org p parti pp press r s t
tm u w x y z sg: com edu gov net org sh: com gov mil net org sk: org sl: com edu gov net org sn: art com
edu gouv org univ so: com edu gov me net org ss: biz co com edu gov me net org sch st: co com consulado
edu embaixada mil net org principe saotome store sv: com edu gob org red sx: gov sy: com edu gov mil net
org sz: ac co org th: ac co go in mi net or tj: biz co com edu go gov int mil name net nic org test web
tl: gov tm: co com edu gov mil net nom org tn: com ens fin gov ind info intl mincom nat net org perso
tourism to: com edu gov mil net org tr: av bbs bel biz com dr edu gen gov info k12 kep mil name nc net org
pol tel tsk tv web tt: biz co com edu gov info mil name net org pro tw: club com ebiz edu game gov idv mil
net org tz: ac co go hotel info me mil mobi ne or sc tv ua: cherkassy cherkasy chernigov chernihiv
chernivtsi chernovtsy ck cn com cr crimea cv dn dnepropetrovsk dnipropetrovsk donetsk dp edu gov if in
ivano-frankivsk kh kharkiv kharkov kherson khmelnitskiy khmelnytskyi kiev kirovograd km kr kropyvnytskyi
krym ks kv kyiv lg lt lugansk luhansk lutsk lv lviv mk mykolaiv net nikolaev od odesa odessa org pl
poltava rivne rovno rv sb sebastopol sevastopol sm sumy te ternopil uz uzhgorod uzhhorod vinnica vinnytsia
vn volyn yalta zakarpattia zaporizhzhe zaporizhzhia zhitomir zhytomyr zp zt ug: ac co com edu go gov mil
ne or org sc us uk: ac co gov ltd me net nhs org plc police sch us: ak al ar as az ca co ct dc de dni fl ga gu
hi ia id il in isa ks ky la ma md me mi mn mo ms mt nc nd ne nh nj nm nsn nv ny oh ok or pa pr ri sc sd tn
tx ut va vi vt wa wi wv wy uy: com edu gub mil net org uz: co com net org vc: com edu gov mil net org ve:
arts bib co com e12 edu emprende firm gob gov ia info int mil net nom org rar rec store tec web vg: edu
vi: co com k12 net org vn: ac ai angiang bacgiang backan baclieu bacninh baria-vungtau bentre binhdinh
binhduong binhphuoc binhthuan biz camau cantho caobang com daklak daknong danang dienbien dongnai dongthap
edu gialai gov hagiang haiduong haiphong hanam hanoi hatinh haugiang health hoabinh hue hungyen id info
int io khanhhoa kiengiang kontum laichau lamdong langson laocai longan namdinh name net nghean ninhbinh
ninhthuan org phutho phuyen pro quangbinh quangnam quangngai quangninh quangtri soctrang sonla tayninh
thaibinh thainguyen thanhhoa thanhphohochiminh thuathienhue tiengiang travinh tuyenquang vinhlong vinhphuc
yenbai vu: com edu net org ws: com edu gov net org xn--4dbrk0ce: xn--4dbgdty6c xn--5dbhl8d xn--8dbq2a
xn--hebda8b xn--90a3ac: xn--80au xn--90azh xn--c1avg xn--d1at xn--o1ac xn--o1ach xn--j6w193g: xn--55qx5d
xn--gmqw5a xn--mxtq1m xn--od0alg xn--uc0atv xn--wcvs22d xn--o3cw4h: xn--12c1fe0br xn--12cfi8ixb8l
xn--12co0c3b4eva xn--h3cuzk1di xn--m3ch0j3a xn--o3cyx2a ye: com edu gov mil net org za: ac agric alt co
edu gov grondar law mil net ngo nic nis nom org school tm web zm: ac biz co com edu gov info mil net org
sch zw: ac co gov mil org
"""
"""A top-level domain with a colon, and the labels under it that make a public suffix; ``*`` is any."""

HOSTERS: Final = """
github.io githubusercontent.com githubpreview.dev github.app gitlab.io bitbucket.io codeberg.page
srht.site sourcecraft.site herokuapp.com *.compute.herokuapp.com vercel.app vercel.dev now.sh netlify.app
pages.dev workers.dev r2.dev trycloudflare.com cloudflare.net azurewebsites.net azurestaticapps.net
azureedge.net azurefd.net azure-api.net azure-mobile.net cloudapp.net trafficmanager.net
*.azurecontainer.io azurewebsites.us blob.core.windows.net file.core.windows.net web.core.windows.net
servicebus.windows.net web.app firebaseapp.com appspot.com blogspot.com cloudfunctions.net googleapis.com
googlecode.com withgoogle.com withyoutube.com codespot.com *.run.app cloud.goog translate.goog
*.gateway.dev cloudfront.net elasticbeanstalk.com amplifyapp.com awsapps.com awsglobalaccelerator.com
amazonlightsail.com s3.amazonaws.com *.compute.amazonaws.com *.compute-1.amazonaws.com
us-east-1.amazonaws.com *.elb.amazonaws.com s3-website-us-east-1.amazonaws.com ondigitalocean.app
*.digitaloceanspaces.com fly.dev onrender.com up.railway.app deno.dev deno.net val.run surge.sh
app.render.com replit.app repl.co repl.run *.replit.dev readthedocs.io readthedocs-hosted.com
pythonanywhere.com eu.pythonanywhere.com hf.space streamlit.app streamlitapp.com static.hf.space ngrok.app
ngrok-free.app ngrok.dev ngrok-free.dev ngrok.io ts.net tunnelmole.net localtonet.com myshopify.com
webflow.io wixsite.com wixstudio.com wixstudio.io wix.run framer.app framer.website framer.ai framer.media
framer.photos framer.wiki framercanvas.com notion.site carrd.co square.site editorx.io yolasite.com
bubbleapps.io wpenginepowered.com pantheonsite.io gotpantheon.com altervista.org supabase.co supabase.in
supabase.net hasura.app appwrite.global appwrite.network convex.app convex.cloud convex.site
*.oraclecloudapps.com *.linodeobjects.com *.nodebalancer.linode.com members.linode.com
ip.linodeusercontent.com *.vultrobjects.com fastly-edge.com edgecompute.app fastlylb.net map.fastly.net
global.ssl.fastly.net akamaized.net akamaihd.net akamaiedge.net edgekey.net edgesuite.net akamai.net
cdn77-ssl.net rsc.cdn77.org lovable.app lovableproject.com lovable.run base44.app v0.build bolt.host
claude.app claudeusercontent.com chatgpt.site discordsays.com csb.app codepen.app codepen.dev
vusercontent.net dyndns.org dyndns.biz dyndns.info dyndns.tv dyndns.ws homeip.net homelinux.com
homelinux.net homelinux.org homeunix.com homeunix.net homeunix.org dnsalias.com dnsalias.net dnsalias.org
selfip.com selfip.net selfip.org selfip.biz selfip.info duckdns.org no-ip.org no-ip.biz no-ip.info
no-ip.net no-ip.ca noip.me noip.us ddns.net ddns.me hopto.org hopto.me zapto.org sytes.net myftp.org
myftp.biz redirectme.net servebeer.com serveftp.com servehttp.com servegame.com serveftp.net bounceme.net
3utilities.com webhop.me ddnsfree.com ddnsgeek.com dynu.net freeddns.org mywire.org webredirect.org
kozow.com giize.com gleeze.com ooguy.com theworkpc.com casacam.net accesscam.org camdvr.org synology.me
diskstation.me dscloud.me dscloud.biz dscloud.mobi myds.me i234.me familyds.com dsmynas.com
myqnapcloud.com mycloudnas.com myfritz.net myfritz.link dedyn.io cloudns.cc cloudns.org cloudns.eu
cloudns.info ath.cx eu.org asso.eu.org pp.ua co.ua is-a.dev js.org is-a-good.dev us.kg qzz.io dpdns.org
uber.space br.com cn.com co.com de.com eu.com gr.com jpn.com mex.com ru.com sa.com uk.com us.com za.com
hk.com it.com africa.com gb.net hu.net jp.net se.net uk.net in.net za.net ae.org us.org hk.org jpn.org
za.org com.de co.de com.se co.no co.nl co.cz co.dk co.pl co.ca gov.nl co.bn org.ru net.ru pp.ru msk.ru
spb.ru com.ru ac.ru edu.ru gov.ru int.ru mil.ru msk.su spb.su nov.ru biz.ua cc.ua eu.cc us.cc uk.cc cc.cd
ltd.ng biz.ng inc.hk ltd.hk web.in eu.platform.sh us.platform.sh *.platformsh.site upsunapp.com
*.upsun.app *.northflank.app zeabur.app cleverapps.io on-aptible.com meteorapp.com gotdns.com rhcloud.com
cloud66.ws laravel.cloud on-forge.com vapor.cloud on-vapor.com sinaapp.com vipsinaapp.com 1kapp.com
alibabacloudcs.com yandexcloud.net website.yandexcloud.net myjino.ru toolforge.org wmcloud.org wmflabs.org
hepforge.org torproject.net debian.net dreamhosters.com a2hosted.com cpserver.com nfshost.com
alwaysdata.net hstgr.cloud cprapid.com live-website.com strapiapp.com retool.app outsystemscloud.com
adobeaemcloud.com adobeaemcloud.net aem.live aem.page hlx.live hlx.page apigee.io myspreadshop.com
atmeta.com lpages.co leadpages.co hatenablog.com hatenadiary.com hateblo.jp chicappa.jp sblo.jp
sakuraweb.com x0.com flutterflow.app pstmn.io glitch.me koyeb.app *.cloudapp.azure.com webcontainer.io
b-cdn.net 000webhostapp.com gitbook.io s3.us-east-1.amazonaws.com s3.us-east-2.amazonaws.com
s3.us-west-1.amazonaws.com s3.us-west-2.amazonaws.com s3.eu-west-1.amazonaws.com
s3.eu-west-2.amazonaws.com s3.eu-west-3.amazonaws.com s3.eu-central-1.amazonaws.com
s3.eu-north-1.amazonaws.com s3.ap-south-1.amazonaws.com s3.ap-southeast-1.amazonaws.com
s3.ap-southeast-2.amazonaws.com s3.ap-northeast-1.amazonaws.com s3.ap-northeast-2.amazonaws.com
s3.sa-east-1.amazonaws.com s3.ca-central-1.amazonaws.com
"""
"""Whole names; ``*.`` in front stands for any label, or none."""
